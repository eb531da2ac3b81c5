import { expect, test } from 'vitest'
import { findOperation, operations, upstreamPathOf } from '../../../src/routing/vendors/operation.ts'

test.each([
  ['/v1/chat/completions', '/v1', '/v1/chat/completions'],
  ['/v1/chat/completions', '/openai/v1/', '/openai/v1/chat/completions'],
  ['/v1/chat/completions', '/api/paas/v4', '/api/paas/v4/chat/completions'],
  ['/v1/messages/count_tokens', '/v1', '/v1/messages/count_tokens'],
  ['/v1/rerank', '/v1', '/v1/rerank'],
  ['/v2/rerank', '/v1', '/v2/rerank'],
  ['/v2/rerank', '/proxy/v1', '/proxy/v2/rerank'],
  ['/v2/rerank', '/v1beta1', '/v2/rerank'],
  ['/v2/rerank', '/proxy', '/proxy/v2/rerank'],
  ['/v1/chat/completions', '', '/chat/completions'],
])('%s below %j is %s', (path, base, expected) => {
  expect(upstreamPathOf(base, findOperation(path)!)).toBe(expected)
})

test('a model is found by its name, also with slashes, and the pattern itself is no path', () => {
  expect(findOperation('/v1/models')?.path).toBe('/v1/models')
  expect(findOperation('/v1/models/org/name')?.path).toBe('/v1/models/{name}')
  expect(findOperation('/v1/models/')).toBeUndefined()
  expect(findOperation('/v1/models/{name}')).toBeUndefined()
})

test('nothing else is an operation', () => {
  for (const path of [
    '/',
    '/v1',
    '/v1/',
    '/v1/chat/completions/',
    '/v1/Embeddings',
    '/v1/files',
    '/v2/embeddings',
    'constructor',
  ]) {
    expect(findOperation(path)).toBeUndefined()
  }
})

test('operations are listed once, and those that the gateway answers itself are the only ones without a body', () => {
  expect(new Set(operations.map(({ path }) => path)).size).toBe(operations.length)
  for (const { bodies, upstreamPath, method } of operations) {
    expect(bodies.length === 0).toBe(upstreamPath === null)
    expect(method).toBe(upstreamPath === null ? 'GET' : 'POST')
  }
})
