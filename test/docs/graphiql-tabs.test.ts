/** The tabs that GraphiQL opens with, from left to right, each operation as it stands there, on servers like those that they name. */
import { parse, print } from 'graphql'
import { expect, test } from 'vitest'
import { exampleTabs } from '../../src/graphql/graphiql/examples.ts'
import { startProduct } from '../support/product.ts'
import { openModelServers, createBlockRunner } from './run-page.ts'

const blocks = exampleTabs.flatMap(({ query }) =>
  parse(query).definitions.map((definition) => ({
    language: 'graphql',
    text: print(definition),
    heading: query.split('\n')[0]!,
    line: 1,
    notRun: null,
  })),
)

test('the operations of the tabs run one after the other, from left to right', async () => {
  await using servers = await openModelServers()
  await using product = await startProduct()
  const placeholders = {
    'ID OF YOUR KEY': ['viewer', 'actor', 'id'],
    'ID OF THE KEY': ['apiKeyCreate', 'apiKey', 'id'],
    'ID OF THE USER': ['userCreate', 'user', 'id'],
    'YOUR OPENAI KEY': 'sk-YOUR-KEY',
  }
  const results = await createBlockRunner({ product, servers, placeholders })(blocks)
  expect(results).toHaveLength(blocks.length)
  expect(blocks.length).toBeGreaterThan(15)
})
