/** The examples of those who come from elsewhere, each on an installation of its own. */
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { schema } from '../../src/graphql/schema/schema.ts'
import { startProduct } from '../support/product.ts'
import { documentBlocks, readDocument } from '../support/document-blocks.ts'
import { createBlockRunner, isByHand, openModelServers } from './run-page.ts'

const page = readDocument('docs/migrate.md')
const blocks = documentBlocks(page)
const [selfHosted] = blocks
const products = ["GPUStack's routes", "LiteLLM's `model_list`", "Portkey's configs"]

test.each(products)('the example of %s is made as it is pasted, and splits its traffic 70 to 30', async (heading) => {
  await using servers = await openModelServers()
  await using product = await startProduct()
  const placeholders = { 'ID OF THE PROVIDER MODEL': ['openai', 'provider', 'models', '0', 'id'] }
  const own = blocks.filter((block) => block.heading === heading)
  const results = await createBlockRunner({ product, servers, placeholders })([selfHosted!, ...own])
  expect(results.map(({ shown }) => shown).join('\n')).toMatch(/"share":0\.7\d*\}.*"share":0\.3\d*\}/)
  const { route } = await product.graphql.request<{ route: { fallback: { backends: object[] } } }>(
    '{ route(by: { name: "chat" }) { fallback { backends { label } } } }',
  )
  expect(route.fallback.backends).toHaveLength(1)
})

test('each product has its words, its example, and what has no counterpart', () => {
  for (const heading of products) {
    const section = page.split(`## ${heading}\n`)[1]!.split(/^## /m)[0]!
    expect(section).toMatch(/^\| \w+ \| here \|$/m)
    expect(section).toMatch(/^No counterpart here: /m)
  }
})

test('the configurations of the others are marked as not run, and can be read', () => {
  const notRun = blocks.filter(isByHand)
  expect(notRun.map(({ marks }) => marks.get('by-hand'))).toEqual(['litellm', 'portkey'])
  for (const { text } of notRun) expect(parse(text)).toBeTypeOf('object')
})

test('settings that are named here are in the schema', () => {
  const sdl = Object.values(schema.getTypeMap())
    .flatMap((type) => ('getFields' in type ? Object.keys(type.getFields()) : []))
    .concat(
      Object.values(schema.getTypeMap()).flatMap((type) =>
        'getValues' in type ? type.getValues().map(({ name }) => name) : [],
      ),
    )
  const named = [
    'enableModelRoute',
    'affinity',
    'balancing',
    'SESSION',
    'LEAST_IN_FLIGHT',
    'maxInFlight',
    'inFlight',
    'routeIds',
    'CONTEXT_LENGTH',
    'triggers',
    'maxAttempts',
    'pricing',
    'upstreamModel',
  ]
  expect(named.filter((name) => !page.includes(name))).toEqual([])
  expect(named.filter((name) => !sdl.includes(name))).toEqual([])
})
