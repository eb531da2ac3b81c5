import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { operations } from '../../../src/routing/vendors/operation.ts'
import { endsWithOperation, operationPlaceOf, queryFor } from '../../../src/routing/vendors/operation-place.ts'

const posts = operations.filter(({ method }) => method === 'POST')
const operation = fc.constantFrom(...posts)
const name = fc.stringMatching(/^[a-z0-9][a-zA-Z0-9._/:-]{0,30}[a-z0-9]$/)

test('a documented path is its own operation, and names no model', () => {
  for (const it of posts)
    expect(operationPlaceOf(it.path)).toEqual({ operation: it, path: it.path, model: null, isAzure: false })
})

test('any number of slashes anywhere means the same operation', () => {
  const slashes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 8, maxLength: 8 })
  fc.assert(
    fc.property(operation, slashes, fc.boolean(), (it, counts, endsWithSlash) => {
      let i = 0
      const path = it.path.replaceAll('/', () => '/'.repeat(counts[i++ % counts.length]!))
      expect(operationPlaceOf(path + (endsWithSlash ? '/' : '')).operation).toBe(it)
    }),
  )
})

test('a deployment of Azure is the model, whatever its name, and the operation stands behind it', () => {
  fc.assert(
    fc.property(operation, name, fc.boolean(), (it, model, isEncoded) => {
      fc.pre(it.path.startsWith('/v1/') && !model.includes('//') && !endsWithOperation(`/v1/${model}/x`))
      const written = isEncoded ? encodeURIComponent(model) : model
      const place = operationPlaceOf(`/openai/deployments/${written}${it.path.slice('/v1'.length)}`)
      fc.pre(place.operation === it)
      expect(place).toEqual({ operation: it, path: it.path, model, isAzure: true })
    }),
  )
})

test.each([
  '/',
  '/v1',
  '/openai',
  '/openai/deployments/chat',
  '/openai/deployments/chat/models',
  '/openai/deployments/%ff/chat/completions',
  '/v1/Embeddings',
  '/v3/embeddings',
  '/v1/chat/completions/more',
])('%s is no operation', (path) => {
  expect(operationPlaceOf(path)).toEqual({ operation: null, path, model: null, isAzure: false })
})

test('a long path costs no more than its length', () => {
  expect(operationPlaceOf(`/openai/deployments${'/a'.repeat(8_000)}/chat/completions`).model).toHaveLength(15_999)
  expect(operationPlaceOf('/'.repeat(16_000)).operation).toBe(null)
})

test.each([
  ['', ''],
  ['?api-version=1', ''],
  ['?a=%20&api-version=1&b', '?a=%20&b'],
  ['?x-api-version=1', '?x-api-version=1'],
])('of the query %j of Azure’s form %j is sent on', (query, sent) => {
  expect(queryFor(operationPlaceOf('/openai/v1/embeddings'), query)).toBe(sent)
  expect(queryFor(operationPlaceOf('/v1/embeddings'), query)).toBe(query)
})
