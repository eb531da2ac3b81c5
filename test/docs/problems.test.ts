import { expect, test } from 'vitest'
import { schema } from '../../src/graphql/schema/schema.ts'
import { problemCodes, problemSeverities } from '../../src/routing/problems/operational-problem.ts'
import { startProduct } from '../support/product.ts'
import { documentBlocks, readDocument } from '../support/document-blocks.ts'
import { createBlockRunner, openModelServers } from './run-page.ts'

const page = readDocument('docs/problems.md')
const firstCells = [...page.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, word]) => word!)

test('the page has each severity and each code of a problem, once, and no other', () => {
  expect(firstCells.toSorted()).toEqual([...problemSeverities, ...problemCodes].toSorted())
})

test('each code has its meaning, what to do, and when it ends', () => {
  for (const code of problemCodes) {
    const cells = new RegExp(`^\\| \`${code}\` \\|(.*)\\|$`, 'm').exec(page)?.[1]?.split(' | ') ?? []
    expect({ code, cells }).toEqual({ code, cells: Array.from({ length: 3 }, () => expect.stringMatching(/\w{2}/)) })
  }
})

test('what the page tells to call is there', () => {
  const fields = { ...schema.getQueryType()!.getFields(), ...schema.getMutationType()!.getFields() }
  const called = [...page.matchAll(/`([a-z]+[A-Z]\w+)`/g)]
    .map(([, name]) => name!)
    .filter((name) => name !== 'upstreamModel' && name !== 'problemsChanged')
  expect(called.length).toBeGreaterThan(6)
  expect(called.filter((name) => !(name in fields))).toEqual([])
})

test('its blocks run', async () => {
  await using servers = await openModelServers()
  await using product = await startProduct()
  const results = await createBlockRunner({ product, servers })(documentBlocks(page))
  expect(results.map(({ shown }) => shown)).toEqual([
    expect.stringContaining('"problems":[]'),
    expect.stringContaining('"problemsChanged":{"at"'),
  ])
})
