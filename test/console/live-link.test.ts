/** The console's subscriptions against the real API: on which transport they run, and that they outlive it. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLiveLink, type LiveState } from '../../console/src/api/live-link.ts'
import { type Product, startProduct } from '../support/product.ts'
import { until } from '../support/until.ts'
import { openProxy } from './proxy.ts'

const routeCount = 9
let product: Product
beforeAll(async () => {
  product = await startProduct()
  for (let index = 0; index < routeCount; index++)
    await product.graphql.change(
      `mutation ($name: String!) { deploymentCreate(input: { name: $name, endpoints: [{ url: "http://127.0.0.1:9" }] }) { userErrors { code message path } } }`,
      { name: `model-${index}` },
    )
})
afterAll(async () => {
  await product?.stop()
})

/** All routes of the wall, and the configuration's version, watched from `origin`. */
function watchWall(origin: string, key = product.adminKey) {
  const events = new Map<string, number>()
  const ended: string[] = []
  const states: LiveState[] = []
  let refusals = 0
  const webSocketUrl = `${origin.replace('http', 'ws')}/graphql`
  const link = createLiveLink({ key, webSocketUrl, sseUrl: `${origin}/graphql`, onRefused: () => refusals++ })
  link.onState((state) => states.push(state))
  const watch = (name: string, query: string) => {
    events.set(name, 0)
    return link.subscribe(
      { query },
      {
        next: ({ errors }) => events.set(name, errors ? Number.NaN : events.get(name)! + 1),
        error: () => ended.push(name),
        complete: () => ended.push(name),
      },
    )
  }
  watch('config', 'subscription { configChanged { version } }')
  for (let index = 0; index < routeCount; index++)
    watch(
      `model-${index}`,
      `subscription { routeTraffic(by: { name: "model-${index}" }, windowMs: 10000) { requests } }`,
    )
  return { link, events, ended, states, watch, refusals: () => refusals, [Symbol.dispose]: () => link.close() }
}

const routesOf = (events: ReadonlyMap<string, number>) => [...events].filter(([name]) => name !== 'config')

test('over a WebSocket every stream runs at once', async () => {
  using wall = watchWall(product.apiUrl)
  await until(() => routesOf(wall.events).every(([, count]) => count >= 2) && wall.events.get('config') === 1)
  expect(wall.states).toEqual(['idle', 'connecting', 'live'])
  expect(wall.ended).toEqual([])
})

test('where no WebSocket gets through, all routes of a wall go on for as long as they are wanted', async () => {
  await using proxy = await openProxy({ target: product.apiUrl, letsUpgrade: false })
  using wall = watchWall(proxy.origin)
  const hasAgain = async (times: number) => {
    const before = new Map(wall.events)
    await until(() => routesOf(wall.events).every(([name, count]) => count >= before.get(name)! + times), {
      timeoutMs: 120_000,
    })
  }
  await hasAgain(1)
  // The attempts on the transport that was given up end later than it: what they tell must not end what runs by now.
  await hasAgain(3)
  expect(wall.ended).toEqual([])
  expect(wall.states.at(-1)).toBe('live')
})

test('a lost connection is told and opened again on either transport', async () => {
  for (const letsUpgrade of [true, false]) {
    await using proxy = await openProxy({ target: product.apiUrl, letsUpgrade })
    using wall = watchWall(proxy.origin)
    await until(() => routesOf(wall.events).every(([, count]) => count > 0), { timeoutMs: 120_000 })
    proxy.cut()
    await until(() => wall.states.at(-1) === 'reconnecting')
    proxy.restore()
    const before = new Map(wall.events)
    await until(() => routesOf(wall.events).every(([name, count]) => count > before.get(name)!), { timeoutMs: 120_000 })
    await until(() => wall.states.at(-1) === 'live')
    expect(wall.ended).toEqual([])
  }
})

test('a connection that answers no more, as after a sleep, is left', async () => {
  await using proxy = await openProxy({ target: product.apiUrl })
  using wall = watchWall(proxy.origin)
  await until(() => wall.events.get('config') === 1)
  proxy.freeze()
  await until(() => wall.states.at(-1) === 'reconnecting', { timeoutMs: 60_000 })
  await until(() => wall.events.get('config')! > 1, { timeoutMs: 60_000 })
})

test('a key that is not accepted any more is told on either transport', async () => {
  for (const letsUpgrade of [true, false]) {
    await using proxy = await openProxy({ target: product.apiUrl, letsUpgrade })
    using wall = watchWall(proxy.origin, 'sbx_no-such-key')
    await until(() => wall.refusals() > 0)
  }
})

test('what the API refuses is told once, and not asked again', async () => {
  for (const letsUpgrade of [true, false]) {
    await using proxy = await openProxy({ target: product.apiUrl, letsUpgrade })
    using wall = watchWall(proxy.origin)
    const end = wall.watch('stranger', 'subscription { routeTraffic(by: { name: "no-such-route" }) { requests } }')
    await until(() => Number.isNaN(wall.events.get('stranger')) || wall.ended.includes('stranger'))
    await until(() => wall.ended.includes('stranger'))
    end()
  }
})
