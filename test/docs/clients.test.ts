/** The page of clients: its programs run on the gateway, what it calls tested is tested, and what was not run is marked. */
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { startProduct } from '../support/product.ts'
import { documentBlocks, readDocument } from '../support/document-blocks.ts'
import { createBlockRunner, isByHand, openModelServers } from './run-page.ts'
import { openTerminal } from './terminal.ts'

const page = readDocument('docs/clients.md')
const blocks = documentBlocks(page)

/** The cells of each client: its name, how it is known to work, and its settings. */
const clients = [...page.matchAll(/^\| (.+?) \| (.*(?:tested|tried|documented).*?) \| (.+) \|$/gm)].map(
  ([, name, known, settings]) => ({ name: name!, known: known!, settings: settings! }),
)

test('the programs of the page get their answers', async () => {
  await using servers = await openModelServers()
  await using product = await startProduct()
  await using terminal = openTerminal({ env: { SIGNALBOX_KEY: product.adminKey } })
  const url = servers.at('http://127.0.0.1:8000').baseUrl
  await product.graphql.change(
    `mutation ($input: DeploymentCreateInput!) { deploymentCreate(input: $input) { userErrors { message code path } } }`,
    { input: { name: 'qwen3-8b', upstreamModel: 'Qwen/Qwen3-8B', engine: 'VLLM', endpoints: [{ url }] } },
  )
  const results = await createBlockRunner({ product, servers, terminal })(blocks)
  const [models, ...answers] = results.map(({ shown }) => shown)
  expect(models).toContain('"id":"qwen3-8b"')
  expect(answers).toHaveLength(4)
  for (const answer of answers) expect(answer).toContain('hello from Qwen/Qwen3-8B')
  expect(answers[0]).toMatch(/^qwen3-8b hello/)
})

test('each client says how it is known to work, and a test that is named is about its package', () => {
  expect(clients.length).toBeGreaterThan(15)
  for (const { name, known } of clients) {
    expect(known).toMatch(/^(\[tested\]\(\.\.\/test\/.+\)|tried: [\d.]+|documented)$/)
    const [, path] = /\(\.\.\/(.+)\)/.exec(known) ?? []
    const packages = [...name.matchAll(/`([^`]+)`/g)].map(([, word]) => word!)
    const source = path === undefined ? name : readDocument(path)
    expect(packages.filter((word) => !source.includes(word))).toEqual([])
  }
})

test('settings of clients that are not run are marked as such, and are of the form that they should have', () => {
  const notRun = blocks.filter(isByHand)
  const slugs = notRun.map(({ marks }) => marks.get('by-hand'))
  expect(slugs).toEqual(['claude-code', 'codex', 'continue', 'zed', 'librechat'])
  const documented = clients.filter(({ known }) => known === 'documented').map(({ name }) => slugOf(name))
  expect(slugs.filter((slug) => !documented.includes(slug!))).toEqual([])
  const structured = notRun.filter(({ language }) => language === 'json' || language === 'yaml')
  expect(structured).toHaveLength(3)
  // JSON is YAML, too.
  for (const { text } of structured) expect(parse(text)).toBeTypeOf('object')
})

function slugOf(name: string): string {
  return name.toLowerCase().replaceAll(' ', '-')
}
