/** Every call of the README, as it is pasted, in its order, on servers like those that it names. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Product, startProduct } from '../support/product.ts'
import { openUpstream, type Upstream } from '../support/upstream.ts'

/** The addresses of the README, and the models that the servers there have. */
const servers = {
  '127.0.0.1:8000': 'Qwen/Qwen3-8B',
  '127.0.0.1:8001': 'Qwen/Qwen3-8B-2507',
  '127.0.0.1:11434': 'llama3.2',
} as const

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
const guide = readme.slice(readme.indexOf('## The first hour'), readme.indexOf('## Commands'))
const blocks = [...guide.matchAll(/```(sh|graphql)\n([\s\S]*?)```/g)].map(([, language, text]) => ({
  language: language!,
  text: text!,
}))

let product: Product
const upstreams = new Map<string, Upstream>()
beforeAll(async () => {
  // Like vLLM and Ollama each knows its model by one name, and answers 404 to any other.
  for (const [address, model] of Object.entries(servers))
    upstreams.set(address, await openUpstream({ name: model, models: [model] }))
  product = await startProduct()
})
afterAll(async () => {
  await product.stop()
  for (const upstream of upstreams.values()) await upstream.close()
})

function withOwnPorts(text: string): string {
  let own = text
    .replaceAll('http://127.0.0.1:4000', product.apiUrl)
    .replaceAll('http://127.0.0.1:8080', product.gatewayUrl)
  for (const [address, { baseUrl }] of upstreams) own = own.replaceAll(address, new URL(baseUrl).host)
  return own
}

/** Refusals anywhere in an answer. */
function refusalsIn(value: unknown): unknown[] {
  if (value === null || typeof value !== 'object') return []
  return Object.entries(value).flatMap(([name, member]) =>
    name === 'userErrors' ? (member as unknown[]) : refusalsIn(member),
  )
}

const run = {
  async sh(text: string) {
    const env = { ...process.env, SIGNALBOX_KEY: product.adminKey }
    const { stdout } = await promisify(execFile)('sh', ['-ec', text], { env })
    // One call after another, each with an answer in JSON.
    return JSON.parse(`[${stdout.trim().replaceAll(/\}\s*\{/g, '},{')}]`) as unknown
  },
  async graphql(query: string) {
    const { body } = await product.graphql.post({ query })
    return body
  },
}

test('the calls of the guide run as they are pasted, one after the other', async () => {
  expect(blocks.length).toBeGreaterThan(6)
  for (const { language, text } of blocks) {
    const answer = await run[language as keyof typeof run](withOwnPorts(text))
    const shown = JSON.stringify(answer)
    expect({ text, shown, refusals: refusalsIn(answer) }).toEqual({ text, shown, refusals: [] })
    expect({ text, shown }).toEqual({ text, shown: expect.not.stringMatching(/"errors?":/) })
  }
  // The first call was answered by the server that the guide names, under the name that it has there.
  const [first] = upstreams.get('127.0.0.1:8000')!.inferences
  expect(first?.json()).toMatchObject({ model: 'Qwen/Qwen3-8B' })
})

test('the subscription of the guide begins', async () => {
  const [query] = /subscription \{ routeTraffic[^`]*/.exec(guide)!
  const stop = new AbortController()
  const response = await fetch(`${product.apiUrl}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: `Bearer ${product.adminKey}`,
    },
    body: JSON.stringify({ query }),
    signal: stop.signal,
  })
  let text = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    if (text.includes('event: next\n') && text.endsWith('\n\n')) break
  }
  stop.abort()
  expect(text).toContain('"configuredShare"')
  expect(text).not.toContain('"errors"')
})
