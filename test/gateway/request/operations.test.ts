/** What does not serve an operation is not sent it: known, stated or learned. */
import { describe, expect, test } from 'vitest'
import { explain } from '../../../src/routing/choose/explain.ts'
import type { DivergenceReason } from '../../../src/routing/config/vocabulary.ts'
import { status } from '../../support/replies.ts'
import { openUpstream } from '../../support/upstream.ts'
import {
  compile,
  deployment,
  openTestGateway,
  provider,
  route,
  testApiKey,
  type TestGateway,
} from '../support/open-test-gateway.ts'

const request = { model: 'chat', messages: [] }
const message = { model: 'chat', messages: [], max_tokens: 8 }
const reranked = status(200, { results: [] })
const pathMissing = status(404, { detail: 'Not Found' })

function divergences({ traffic }: TestGateway): readonly (DivergenceReason | null)[] {
  return traffic.filter(({ kind }) => kind === 'ended').map(({ end }) => end!.divergence?.reason ?? null)
}

/** Answers chats, and has no other path. */
function chatsOnly(refusal = pathMissing) {
  return openUpstream({ script: ({ path }) => (path.endsWith('/chat/completions') ? undefined : refusal) })
}

/** How servers say that they have no such path, or do not serve what it is for. */
const refusals = [
  ['FastAPI', status(404, { detail: 'Not Found' })],
  ['its method', status(405, { detail: 'Method Not Allowed' })],
  ['Ollama', status(404, '404 page not found')],
  ['TGI', status(404, '')],
  ['LM Studio, with 200', status(200, { error: 'Unexpected endpoint or method. (POST /v1/embeddings)' })],
  [
    'llama.cpp, started without it',
    status(501, {
      error: {
        code: 501,
        message: 'This server does not support embeddings. Start it with `--embeddings`',
        type: 'not_supported_error',
      },
    }),
  ],
] as const

describe('an operation that a target does not serve', () => {
  test('is sent to it once, and then for ten minutes to the others alone', async () => {
    await using old = await chatsOnly()
    await using current = await openUpstream({ name: 'current' })
    await using gateway = await openTestGateway({
      deployments: [deployment('old', [old.baseUrl]), deployment('new', [current.baseUrl])],
      routes: [route('chat', ['dep_old', 'dep_new'])],
    })
    for (let i = 0; i < 8; i++) expect((await gateway.post('/messages', message)).status).toBe(200)
    expect(old.requests).toHaveLength(1)
    expect(gateway.records.filter(({ attempts }) => attempts.length > 1)).toHaveLength(1)
    const counted = divergences(gateway)
    // Half of them, within the one request that each of the two accounts may be off.
    expect(Math.abs(counted.filter((reason) => reason === 'OPERATION_NOT_SERVED').length - 4)).toBeLessThanOrEqual(1)
    expect(new Set(counted)).toEqual(new Set([null, 'OPERATION_NOT_SERVED']))
    // Nothing is held against it: it serves what it serves, by its weight.
    expect(gateway.gateway.live.isHealthy('end_old_0')).toBe(true)
    for (let i = 0; i < 4; i++) expect((await gateway.post('/chat/completions', request)).status).toBe(200)
    expect(Math.abs(old.requests.length - 3)).toBeLessThanOrEqual(1)
  })

  test.each(refusals)('as %s says it is learned at once, and all that tell of it agree', async (_, refusal) => {
    await using old = await chatsOnly(refusal)
    await using current = await openUpstream({ name: 'current' })
    const configuration = {
      deployments: [deployment('old', [old.baseUrl]), deployment('new', [current.baseUrl])],
      routes: [
        route('chat', [
          ['dep_old', 3],
          ['dep_new', 1],
        ]),
      ],
    }
    await using gateway = await openTestGateway(configuration)
    for (let i = 0; i < 9; i++) {
      expect((await gateway.post('/embeddings', { model: 'chat', input: 'x' })).status).toBe(200)
    }
    expect(old.requests).toHaveLength(1)
    const retried = gateway.records.filter(({ attempts }) => attempts.length > 1)
    expect(retried).toMatchObject([
      { outcome: 'OK', attempts: [{ trigger: 'UPSTREAM_NOT_FOUND', backendId: 'dep_old' }, { trigger: null }] },
    ])
    const { live } = gateway.gateway
    expect(live.healthOf('end_old_0')).toMatchObject({ circuit: 'CLOSED', consecutiveFailures: 0 })
    const chances = (operation: string) =>
      explain(
        compile(configuration),
        live,
        { model: 'chat', apiKeyId: testApiKey.id, operation },
        Date.now(),
      ).candidates.map(({ probability, availability }) => [probability, availability])
    expect(chances('/v1/embeddings')).toEqual([
      [0, 'OPERATION_NOT_SERVED'],
      [1, 'AVAILABLE'],
    ])
    expect(chances('/v1/chat/completions')).toEqual([
      [0.75, 'AVAILABLE'],
      [0.25, 'AVAILABLE'],
    ])
    expect(new Set(divergences(gateway))).toEqual(new Set([null, 'OPERATION_NOT_SERVED']))
  })

  test.each([
    ['stated', { operations: ['/v1/chat/completions'] }],
    ['known of its engine', { engine: 'TGI' as const }],
  ])('is never sent to it where that is %s', async (_, settings) => {
    await using old = await openUpstream()
    await using current = await openUpstream()
    await using gateway = await openTestGateway({
      deployments: [deployment('old', [old.baseUrl], settings), deployment('new', [current.baseUrl])],
      routes: [route('chat', ['dep_old', 'dep_new'])],
    })
    for (let i = 0; i < 6; i++) expect((await gateway.post('/messages', message)).status).toBe(200)
    expect([old.requests.length, current.requests.length]).toEqual([0, 6])
  })

  test('goes to the fallback at once if no target serves it, and is 404 if nothing does', async () => {
    await using upstream = await openUpstream()
    await using other = await openUpstream()
    const configuration = (fallback: readonly string[]) => ({
      deployments: [deployment('a', [upstream.baseUrl], { operations: ['/v1/chat/completions'] })],
      providers: [provider('cloud', other.baseUrl)],
      routes: [route('chat', ['dep_a'], fallback.length > 0 ? { fallback } : {})],
    })
    await using gateway = await openTestGateway(configuration(['pmd_cloud']))
    const served = await gateway.post('/messages', message)
    expect([served.status, served.headers.get('x-signalbox-fallback')]).toEqual([200, 'unavailable'])
    gateway.use(configuration([]))
    const refused = await gateway.post('/embeddings', { model: 'chat', input: 'x' })
    expect(refused.status).toBe(404)
    expect(refused.headers.has('retry-after')).toBe(false)
    expect(await refused.json()).toMatchObject({
      error: { code: 'operation_not_served', message: expect.stringContaining('/v1/embeddings') as string },
    })
    expect(upstream.requests).toEqual([])
  })

  test.each([
    ['stated', { operations: ['/v1/rerank'] }],
    ['known of llama.cpp', { engine: 'LLAMA_CPP' as const }],
    ['known of SGLang', { engine: 'SGLANG' as const }],
  ])('is sent in its older form where only that is %s', async (_, settings) => {
    await using upstream = await openUpstream({ script: () => reranked })
    await using gateway = await openTestGateway({
      deployments: [deployment('a', [upstream.baseUrl], settings)],
      routes: [route('chat', ['dep_a'])],
    })
    const answer = await gateway.post('/v2/rerank', { model: 'chat', query: 'q', documents: ['d'] })
    expect(answer.status).toBe(200)
    expect(upstream.requests.map(({ path }) => path)).toEqual(['/v1/rerank'])
    expect(gateway.records.map(({ operation }) => operation)).toEqual(['/v2/rerank'])
  })

  test('is sent as it is where it is known or nothing is, and in its older form once it was refused', async () => {
    const script = ({ path }: { path: string }) => (path === '/v2/rerank' ? pathMissing : reranked)
    await using old = await openUpstream({ script })
    await using vllm = await openUpstream({ script: () => reranked })
    await using gateway = await openTestGateway({
      deployments: [deployment('old', [old.baseUrl]), deployment('vllm', [vllm.baseUrl], { engine: 'VLLM' })],
      routes: [route('chat', ['dep_old']), route('known', ['dep_vllm'])],
    })
    const rerank = async (model: string) =>
      (await gateway.post('/v2/rerank', { model, query: 'q', documents: [] })).status
    expect([await rerank('chat'), await rerank('chat'), await rerank('known')]).toEqual([404, 200, 200])
    expect(old.requests.map(({ path }) => path)).toEqual(['/v2/rerank', '/v1/rerank'])
    expect(vllm.requests.map(({ path }) => path)).toEqual(['/v2/rerank'])
  })

  test('is not learned from what a client put into the query', async () => {
    await using upstream = await openUpstream({
      script: ({ path }) => (path.includes('api-version=bad') ? pathMissing : undefined),
    })
    await using gateway = await openTestGateway({
      deployments: [deployment('a', [upstream.baseUrl])],
      routes: [route('chat', ['dep_a'])],
    })
    expect((await gateway.post('/chat/completions?api-version=bad', request)).status).toBe(404)
    expect((await gateway.post('/chat/completions', request)).status).toBe(200)
  })

  test('is asked for again at once when the backend changes', async () => {
    await using upstream = await chatsOnly()
    const configuration = () => ({
      deployments: [deployment('a', [upstream.baseUrl])],
      routes: [route('chat', ['dep_a'])],
    })
    await using gateway = await openTestGateway(configuration())
    const asks = async () => {
      await gateway.post('/messages', message)
      return upstream.requests.length
    }
    expect([await asks(), await asks()]).toEqual([1, 1])
    gateway.use(configuration())
    expect([await asks(), await asks()]).toEqual([2, 2])
  })
})

test('a target that fails its share while another serves is RETRIED', async () => {
  await using bad = await openUpstream({ script: () => status(500) })
  await using good = await openUpstream()
  await using gateway = await openTestGateway({
    deployments: [deployment('bad', [bad.baseUrl]), deployment('good', [good.baseUrl])],
    routes: [route('chat', ['dep_bad', 'dep_good'])],
  })
  for (let i = 0; i < 4; i++) expect((await gateway.post('/chat/completions', request)).status).toBe(200)
  expect(divergences(gateway).filter((reason) => reason === 'RETRIED')).toHaveLength(2)
  expect(gateway.gateway.live.healthOf('end_bad_0')?.circuit).toBe('CLOSED')
})
