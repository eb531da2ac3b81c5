/** The audits of GraphQL over HTTP (graphql-http), each of them. */
import { serverAudits } from 'graphql-http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Product, startProduct } from '../../support/product.ts'

let product: Product
beforeAll(async () => {
  product = await startProduct()
})
afterAll(async () => {
  await product.stop()
})

const audits = serverAudits({
  url: () => product.graphql.url,
  fetchFn: (url: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers)
    headers.set('authorization', `Bearer ${product.adminKey}`)
    return fetch(url, { ...init, headers })
  },
})

test('there are 61 audits', () => {
  expect(audits).toHaveLength(61)
})

test.each(audits.map((audit) => [`${audit.id} ${audit.name}`, audit] as const))('%s', async (_, audit) => {
  const result = await audit.fn()
  expect('reason' in result ? result.reason : result.status).toBe('ok')
})
