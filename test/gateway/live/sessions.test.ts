/** Requests that belong together stay at one target, and new ones go by the weights or to the least busy target. */
import { describe, expect, test } from 'vitest'
import type { DivergenceReason } from '../../../src/routing/config/vocabulary.ts'
import { setTimeout } from 'node:timers/promises'
import type { Exchange } from '../../support/exchange.ts'
import { after, status } from '../../support/replies.ts'
import { openUpstream } from '../../support/upstream.ts'
import { until } from '../../support/until.ts'
import {
  deployment,
  openTestGateway,
  route,
  type RouteSettings,
  type TestGateway,
} from '../support/open-test-gateway.ts'

function reasons({ traffic }: TestGateway): readonly (DivergenceReason | null)[] {
  return traffic.filter(({ kind }) => kind === 'ended').map(({ end }) => end!.divergence?.reason ?? null)
}

async function openPair(settings: RouteSettings) {
  const opened = new AsyncDisposableStack()
  const a = opened.use(await openUpstream({ name: 'a' }))
  const b = opened.use(await openUpstream({ name: 'b' }))
  const gateway = opened.use(
    await openTestGateway({
      deployments: [deployment('a', [a.baseUrl]), deployment('b', [b.baseUrl])],
      routes: [route('chat', ['dep_a', 'dep_b'], settings)],
    }),
  )
  const ask = async (rest: object, headers: Record<string, string> = {}) => {
    const answer = await gateway.post('/chat/completions', { model: 'chat', messages: [], ...rest }, headers)
    expect(answer.status).toBe(200)
    await answer.text()
    return answer.headers.get('x-signalbox-backend')
  }
  return { a, b, gateway, ask, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

describe('affinity SESSION', () => {
  test('keeps a value at one target, and spreads new ones exactly by the weights', async () => {
    await using pair = await openPair({ affinity: 'SESSION' })
    const places = new Map<string, string | null>()
    for (let i = 0; i < 10; i++) places.set(`user-${i}`, await pair.ask({ user: `user-${i}` }))
    expect([...places.values()].filter((place) => place === 'a')).toHaveLength(5)
    for (const [user, place] of places) expect(await pair.ask({ user })).toBe(place)
    expect(reasons(pair.gateway).slice(0, 10)).toEqual(Array.from({ length: 10 }, () => null))
    for (let i = 0; i < 6; i++) await pair.ask({ user: 'user-0' })
    expect(
      reasons(pair.gateway)
        .slice(-6)
        .filter((reason) => reason === 'SESSION'),
    ).toHaveLength(3)
  })

  test('goes by the header x-session-id where the body names none, which upstream does not see', async () => {
    await using pair = await openPair({ affinity: 'SESSION' })
    const first = await pair.ask({}, { 'x-session-id': 'one' })
    for (let i = 0; i < 4; i++) expect(await pair.ask({}, { 'x-session-id': 'one' })).toBe(first)
    expect(await pair.ask({ prompt_cache_key: 'another' }, { 'x-session-id': 'one' })).not.toBe(first)
  })

  test('leaves requests without a value to the weights, as NONE does all', async () => {
    await using pair = await openPair({ affinity: 'SESSION' })
    const places = [await pair.ask({}), await pair.ask({}), await pair.ask({}), await pair.ask({})]
    expect(places.filter((place) => place === 'a')).toHaveLength(2)
    await using plain = await openPair({})
    const spread = [await plain.ask({ user: 'u' }), await plain.ask({ user: 'u' })]
    expect(new Set(spread).size).toBe(2)
  })

  test('moves a session on when its target is out, and keeps it there', async () => {
    await using pair = await openPair({ affinity: 'SESSION' })
    const first = await pair.ask({ user: 'u' })
    const out = first === 'a' ? 'a' : 'b'
    pair.gateway.use({
      deployments: ['a', 'b'].map((name) =>
        deployment(name, [pair[name as 'a' | 'b'].baseUrl], { state: name === out ? 'DRAINING' : 'ACTIVE' }),
      ),
      routes: [route('chat', ['dep_a', 'dep_b'], { affinity: 'SESSION' })],
    })
    const second = await pair.ask({ user: 'u' })
    expect(second).not.toBe(first)
    expect(await pair.ask({ user: 'u' })).toBe(second)
  })

  test('sends what refers to an answer to the target that made it', async () => {
    let made = 0
    const script = () =>
      status(200, { id: `resp_${++made}`, object: 'response', status: 'completed', output: [{ id: 'm' }] })
    await using a = await openUpstream({ script })
    await using b = await openUpstream({ script })
    await using gateway = await openTestGateway({
      deployments: [deployment('a', [a.baseUrl]), deployment('b', [b.baseUrl])],
      routes: [route('chat', ['dep_a', 'dep_b'], { affinity: 'SESSION' })],
    })
    const ask = async (rest: object) => {
      const answer = await gateway.post('/responses', { model: 'chat', input: 'x', ...rest })
      const { id } = (await answer.json()) as { id: string }
      return { id, place: answer.headers.get('x-signalbox-backend') }
    }
    const answers = [await ask({}), await ask({}), await ask({})]
    for (const { id, place } of answers) expect((await ask({ previous_response_id: id })).place).toBe(place)
  })

  test('goes where the state was found once the target that made it has lost it', async () => {
    const lost = status(400, { error: { message: 'gone', code: 'previous_response_not_found' } })
    const servers = [false, false]
    let made = 0
    const script = (at: number) => () =>
      servers[at] ? lost : status(200, { id: `resp_${++made}`, object: 'response', status: 'completed', output: [] })
    await using a = await openUpstream({ script: script(0) })
    await using b = await openUpstream({ script: script(1) })
    await using gateway = await openTestGateway({
      deployments: [deployment('a', [a.baseUrl]), deployment('b', [b.baseUrl])],
      routes: [route('chat', ['dep_a', 'dep_b'], { affinity: 'SESSION' })],
    })
    const ask = async (rest: object) => {
      const answer = await gateway.post('/responses', { model: 'chat', input: 'x', ...rest })
      await answer.text()
      return [answer.status, answer.headers.get('x-signalbox-attempts')]
    }
    await ask({})
    servers[a.requests.length > 0 ? 0 : 1] = true
    const following = { previous_response_id: 'resp_1' }
    expect(await ask(following)).toEqual([200, '2'])
    expect(await ask(following)).toEqual([200, '1'])
  })

  test.each(['plain', 'streamed'])('remembers the id of a %s answer that arrives cut anywhere', async (kind) => {
    const answer = JSON.stringify({ id: 'resp_1', object: 'response', status: 'completed', output: [] })
    const events = [
      { type: 'response.created', response: { id: 'resp_1', instructions: 'x'.repeat(9_000) } },
      { type: 'response.output_text.delta', delta: 'a' },
      { type: 'response.completed', response: { id: 'resp_1', status: 'completed', output: [] } },
    ]
    const sse = events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('')
    const isStream = kind === 'streamed'
    // Node writes one chunk for each write, and the first chunks hold no whole id.
    const script = () => async (exchange: Exchange) => {
      exchange.response.writeHead(200, { 'content-type': isStream ? 'text/event-stream' : 'application/json' })
      const text = isStream ? sse : answer
      for (const piece of [text.slice(0, 12), text.slice(12, 40), text.slice(40, 85)]) {
        exchange.response.write(piece)
        await setTimeout(5)
      }
      exchange.response.end(text.slice(85))
    }
    await using a = await openUpstream({ script })
    await using b = await openUpstream({ script })
    await using gateway = await openTestGateway({
      deployments: [deployment('a', [a.baseUrl]), deployment('b', [b.baseUrl])],
      routes: [route('chat', ['dep_a', 'dep_b'], { affinity: 'SESSION' })],
    })
    const ask = async (rest: object) => {
      const got = await gateway.post('/responses', { model: 'chat', input: 'x', stream: isStream, ...rest })
      await got.text()
      return got.headers.get('x-signalbox-backend')
    }
    const first = await ask({})
    for (let i = 0; i < 3; i++) expect(await ask({ previous_response_id: 'resp_1' })).toBe(first)
  })

  test('goes on to another target when the state is unknown there', async () => {
    const unknown = status(400, {
      error: {
        message: "Previous response with id 'resp_1' not found.",
        type: 'invalid_request_error',
        code: 'previous_response_not_found',
      },
    })
    await using a = await openUpstream({ script: () => unknown })
    await using b = await openUpstream({ script: () => status(200, { id: 'resp_2', object: 'response', output: [] }) })
    await using gateway = await openTestGateway({
      deployments: [deployment('a', [a.baseUrl]), deployment('b', [b.baseUrl])],
      routes: [route('chat', ['dep_a', 'dep_b'], { affinity: 'SESSION' })],
    })
    for (let i = 0; i < 3; i++) {
      const request = { model: 'chat', input: 'x', previous_response_id: 'resp_1' }
      expect((await gateway.post('/responses', request)).status).toBe(200)
    }
    // It was learned where the state is.
    expect(a.requests.length).toBeLessThanOrEqual(1)
    expect(gateway.gateway.live.isHealthy('end_a_0')).toBe(true)
  })
})

test('balancing LEAST_IN_FLIGHT sends a request to the target with the fewest in flight, and says so', async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  await using slow = await openUpstream({ name: 'slow', script: () => after(released, status(200, { choices: [{}] })) })
  await using quick = await openUpstream({ name: 'quick' })
  await using gateway = await openTestGateway({
    deployments: [deployment('slow', [slow.baseUrl]), deployment('quick', [quick.baseUrl])],
    routes: [route('chat', ['dep_slow', 'dep_quick'], { balancing: 'LEAST_IN_FLIGHT' })],
  })
  const request = { model: 'chat', messages: [] }
  const held: Promise<Response>[] = []
  for (let i = 0; slow.requests.length === 0; i++) {
    const answer = gateway.post('/chat/completions', request)
    held.push(answer)
    await until(() => slow.requests.length > 0 || gateway.records.length > i)
  }
  for (let i = 0; i < 6; i++) await (await gateway.post('/chat/completions', request)).text()
  expect(slow.requests).toHaveLength(1)
  const counted = reasons(gateway).slice(-6)
  expect(counted.filter((reason) => reason === 'BALANCING')).toHaveLength(3)
  release()
  await Promise.all(held)
})
