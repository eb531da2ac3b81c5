/** The tasks of day two, on an installation with the five stories of the guide behind it. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createGraphqlClient } from '../support/graphql-client.ts'
import { type Product, startProduct } from '../support/product.ts'
import { until } from '../support/until.ts'
import { consoleLabelsOf, missingInConsole } from './console-labels.ts'
import { documentBlocks, readDocument } from '../support/document-blocks.ts'
import { createBlockRunner, isByHand, type ModelServers, openModelServers } from './run-page.ts'
import { openTerminal, type Terminal } from './terminal.ts'

const page = readDocument('docs/tasks.md')
const guide = documentBlocks(readDocument('docs/guide.md'))

let servers: ModelServers
let product: Product
let terminal: Terminal
beforeAll(async () => {
  servers = await openModelServers()
  product = await startProduct()
  terminal = openTerminal({
    cwd: join(import.meta.dirname, '../..'),
    env: { SIGNALBOX_DATA_DIR: product.dataDir, SIGNALBOX_LOG_LEVEL: 'warn' },
  })
})
afterAll(async () => {
  await terminal[Symbol.asyncDispose]()
  await product.stop()
  await servers[Symbol.asyncDispose]()
})

test('every block of the page runs as it is pasted, one after the other, and does what the page says', async () => {
  const dayAt = (fromNow: number) =>
    `${new Date(Date.now() + fromNow * 86_400_000).toISOString().slice(0, 10)}T00:00:00Z`
  const runBlocks = createBlockRunner({
    product,
    servers,
    terminal,
    placeholders: {
      'THE KEY': product.adminKey,
      'ID OF THE USER': ['userCreate', 'user', 'id'],
      'ID OF A ROUTE': ['routes', 'edges', '0', 'node', 'id'],
      'ID OF THE KEY': ['apiKeyCreate', 'apiKey', 'id'],
      'ID OF THE OLD CREDENTIAL': ['provider', 'credentials', '0', 'id'],
      '2026-11-30T00:00:00Z': dayAt(0),
      '2026-12-01T00:00:00Z': dayAt(1),
    },
  })
  await runBlocks(guide.filter(({ language }) => language === 'graphql'))
  await runBlocks(guide.filter(({ language }) => language === 'sh').slice(0, 1))
  await servers.at('http://127.0.0.1:8001').stopListening()
  expect(await terminal.paste('ask qwen3-8b')).toContain('x-signalbox-fallback: connect_error')
  await until(async () => (await countRequests()) === 1)

  const results = await runBlocks(documentBlocks(page))
  const shownUnder = (heading: string) =>
    results.filter(({ block }) => block.heading === heading).map(({ shown }) => shown)

  expect(shownUnder('Add a colleague')[1]).toMatch(/"secret":"sbx_/)
  expect(shownUnder('Make a key for an application')[2]).toContain(
    '{"policy":"RESTRICTED","apiKeys":[{"name":"my application"}]}',
  )
  expect(shownUnder('Set prices')[1]).toContain('"inputPerMillion":"0.25"')
  expect(shownUnder('Rotate a key')[1]).toMatch(/"secret":"sbx_/)
  expect(shownUnder('Rotate a secret')[1]).toMatch(
    /"providerCredentialRemove":\{"provider":\{"credentials":\[\{"hint":"[^"]*"\}\]/,
  )
  expect(shownUnder("See yesterday's usage")[0]).toMatch(/"rows":\[\{"group":\{"labels":\["qwen3-8b"/)
  const [log, explanation, lines] = shownUnder('Why did it fall back?')
  expect(log).toMatch(/"trigger":"CONNECT_ERROR"/)
  expect(explanation).toMatch(/"label":"openai\/gpt-5-mini"\},"isFallback":true/)
  expect(lines).toContain('openai/gpt-5-mini')
  expect(shownUnder('Limit what is spent, and how fast')[1]).toMatch(/"amount":"50".*"requestsPerMinute":60/)
  expect(shownUnder('Roll back a route')[1]).toContain('"targets":[{"backend":{"label":"qwen3-8b"}')

  const [created] = shownUnder("The administrator's key is lost")
  const [newKey] = /sbx_\w+/.exec(created!)!
  const viewer = await until(() =>
    createGraphqlClient(product.apiUrl, newKey)
      .request<{ viewer: { scopes: string[] } }>('{ viewer { scopes } }')
      .catch(() => undefined),
  )
  expect(viewer.viewer.scopes).toContain('ADMIN')
})

test('each block is run, and each label of the console is there', async () => {
  expect(documentBlocks(page).filter(isByHand)).toEqual([])
  const labels = consoleLabelsOf(page)
  expect(labels.length).toBeGreaterThan(5)
  expect(await missingInConsole(labels)).toEqual([])
})

async function countRequests(): Promise<number> {
  const { requestLogs } = await product.graphql.request<{ requestLogs: { edges: unknown[] } }>(
    '{ requestLogs(first: 2) { edges { node { id } } } }',
  )
  return requestLogs.edges.length
}
