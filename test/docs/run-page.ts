/** Runs the blocks of a page against a running product, as a reader pastes them: `graphql` into GraphiQL, `sh` into a shell, `js` into a file. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import type { Product } from '../support/product.ts'
import { openUpstream, type Upstream } from '../support/upstream.ts'
import type { DocumentBlock } from '../support/document-blocks.ts'
import type { Terminal } from './terminal.ts'

/** The addresses of the pages, and the servers there. Like vLLM and Ollama each knows its model, and answers 404 to any other. */
const serversOfPages = {
  'http://127.0.0.1:8000': { models: ['Qwen/Qwen3-8B'] },
  'http://127.0.0.1:8001': { models: ['Qwen/Qwen3-8B-2507'] },
  'http://127.0.0.1:11434': { models: ['llama3.2'] },
  'https://api.openai.com': { models: ['gpt-5-mini', 'text-embedding-3-small'], secret: 'sk-YOUR-KEY' },
} as const

export type ServerAddress = keyof typeof serversOfPages

/** What stands at the addresses that the pages name. */
export interface ModelServers extends AsyncDisposable {
  readonly at: (address: ServerAddress) => Upstream
  /** The addresses of this run in the place of those of the pages. */
  readonly translate: (text: string) => string
}

export async function openModelServers(): Promise<ModelServers> {
  const servers = new Map<string, Upstream>()
  for (const [address, server] of Object.entries(serversOfPages))
    servers.set(address, await openUpstream({ name: server.models[0], ...server }))
  return {
    at: (address) => servers.get(address)!,
    translate: (text) => [...servers].reduce((own, [address, { origin }]) => own.replaceAll(address, origin), text),
    async [Symbol.asyncDispose]() {
      for (const server of servers.values()) await server.close()
    },
  }
}

/**
 * What a page has in capitals for the reader to fill in, and what is put there: a text, or the members on the way to it in an answer
 * that came before, e.g. `['apiKeyCreate', 'apiKey', 'id']`.
 */
export type Placeholders = Readonly<Record<string, string | readonly string[]>>

export interface PageRun {
  readonly product: Product
  readonly servers: ModelServers
  readonly placeholders?: Placeholders
  /** For `sh` blocks. */
  readonly terminal?: Terminal
}

/** Settings of a program that is not here, marked `by-hand=<name>` behind the language. */
export function isByHand({ marks }: DocumentBlock): boolean {
  return marks.has('by-hand')
}

interface BlockResult {
  readonly block: DocumentBlock
  /** What came back, as it was shown. */
  readonly shown: string
}

/** Runs blocks in their order; a later call knows the answers of an earlier one. Fails at the first block that is refused or answered with an error. */
export function createBlockRunner(run: PageRun): (blocks: readonly DocumentBlock[]) => Promise<readonly BlockResult[]> {
  const results: BlockResult[] = []
  return async (blocks) => {
    const known = results.length
    for (const block of blocks.filter((block) => !isByHand(block))) {
      const text = fillIn(block.text, run, results)
      const shown = await runnerOf(block)(text, run)
      const { heading } = block
      expect({ heading, text, shown, faults: faultsIn(shown) }).toMatchObject({ faults: [] })
      results.push({ block, shown })
    }
    return results.slice(known)
  }
}

function runnerOf({ language, heading }: DocumentBlock): (text: string, run: PageRun) => Promise<string> {
  if (language === 'graphql') return askApi
  if (language === 'sh') return (text, { terminal }) => terminal!.paste(text)
  if (language === 'js') return runModule
  throw new Error(`a block under "${heading}" is of the language ${language}, which is not run`)
}

function fillIn(
  text: string,
  { product, servers, placeholders = {} }: PageRun,
  before: readonly BlockResult[],
): string {
  const own = servers
    .translate(text)
    .replaceAll('http://127.0.0.1:4000', product.apiUrl)
    .replaceAll('http://127.0.0.1:8080', product.gatewayUrl)
  // Longer ones first: `THE KEY` stands in `ID OF THE KEY`.
  const names = Object.keys(placeholders).toSorted((a, b) => b.length - a.length)
  const filled = own.replaceAll(new RegExp(names.join('|') || '(?!)', 'g'), (name) => {
    const value = placeholders[name]!
    return typeof value === 'string' ? value : findMember(value, before)
  })
  expect(filled, 'each placeholder is declared').not.toMatch(/"[A-Z]+(?: [A-Z]+)+"/)
  return filled
}

function findMember(path: readonly string[], before: readonly BlockResult[]): string {
  for (const { shown } of before.toReversed()) {
    for (const answer of jsonIn(shown)) {
      const value = path.reduce<unknown>(
        (parent, name) => (parent as Record<string, unknown> | null | undefined)?.[name],
        (answer as { data?: unknown }).data,
      )
      if (typeof value === 'string') return value
    }
  }
  throw new Error(`no answer has ${path.join('.')}`)
}

/** As a module at the top of the checkout, so that it finds the packages of the project. What it prints; throws if it fails. */
async function runModule(source: string, { product }: PageRun): Promise<string> {
  const cwd = new URL('../..', import.meta.url)
  const env = { ...process.env, SIGNALBOX_KEY: product.adminKey }
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', source], { cwd, env })
  return stdout
}

async function askApi(query: string, { product }: PageRun): Promise<string> {
  if (/^\s*subscription\b/m.test(query)) return firstEvent(query, product)
  const { body } = await product.graphql.post({ query })
  return JSON.stringify(body)
}

async function firstEvent(query: string, { apiUrl, adminKey }: Product): Promise<string> {
  const stop = new AbortController()
  const response = await fetch(`${apiUrl}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: `Bearer ${adminKey}`,
    },
    body: JSON.stringify({ query }),
    signal: stop.signal,
  })
  let text = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    if (/^event: next\n[^]*\n\n/m.test(text)) break
  }
  stop.abort()
  return /^data: (.*)$/m.exec(text)?.[1] ?? text
}

/** Whatever says in an answer that it was refused. */
function faultsIn(shown: string): unknown[] {
  const statuses = shown.match(/^HTTP\/1\.1 [45]\d\d .*$/gm) ?? []
  return [...statuses, ...jsonIn(shown).flatMap(faultsOf)]
}

function faultsOf(value: unknown): unknown[] {
  if (value === null || typeof value !== 'object') return []
  return Object.entries(value).flatMap(([name, member]) => {
    if (name === 'userErrors' || name === 'errors') return member as unknown[]
    // The envelope of the gateway; the `error` of an attempt is a text.
    if (name === 'error' && typeof member === 'object' && member !== null) return [member]
    return faultsOf(member)
  })
}

/** The JSON objects in what was shown, each of which begins a line or follows another one; events of a stream too. */
function jsonIn(shown: string): unknown[] {
  const lines = shown.replaceAll(/^data: /gm, '').replaceAll(/\}\s*\{/g, '}\n{')
  return lines.split(/\n(?=\{)/).flatMap((part) => {
    try {
      return [JSON.parse(part) as unknown]
    } catch {
      return []
    }
  })
}
