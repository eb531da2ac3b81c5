import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'
import { createClient as createWebSocketClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { EventQueue } from '../../../src/graphql/kit/event-queue.ts'
import { until } from '../../support/until.ts'
import { usageRecord } from '../../support/usage-record.ts'
import { addDeployment, addRoute } from '../support/objects.ts'
import { openTestApi, type TestApi } from '../support/open-api.ts'

interface Event<Data = Record<string, Record<string, unknown>>> {
  readonly data?: Data | null
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly code?: string } }[]
}

interface Subscription extends AsyncDisposable {
  /** The next event; undefined if there are no more. */
  next(): Promise<Event | undefined>
}

let api: TestApi
beforeAll(async () => {
  api = await openTestApi()
  await addDeployment(api.graphql, { name: 'deployment' })
  await addRoute(api.graphql, { name: 'route', targets: [{ backend: { deployment: 'deployment' } }] })
})
afterEach(async () => {
  await until(
    () => api.live.watchers.size === 0 && api.live.requestListeners.size === 0 && api.live.snapshotListeners() === 0,
  )
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

const overEvents = async (query: string, key = api.adminKey, url = api.url): Promise<Subscription> => {
  const stop = new AbortController()
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${key}` },
    body: JSON.stringify({ query }),
    signal: stop.signal,
  })
  // Behind nginx' defaults the events would come in one lump.
  expect(response.headers.get('x-accel-buffering')).toBe('no')
  const events = readEvents(response)
  return {
    next: async () => (await events.next()).value ?? undefined,
    [Symbol.asyncDispose]: async () => stop.abort(),
  }
}

async function* readEvents(response: Response): AsyncGenerator<Event, undefined> {
  let text = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    const messages = text.split('\n\n')
    text = messages.pop()!
    for (const message of messages) {
      const data = /^event: next\ndata: (.*)$/s.exec(message)?.[1]
      if (data) yield JSON.parse(data) as Event
    }
  }
  return undefined
}

const overWebSocket = async (query: string, key = api.adminKey, url = api.url): Promise<Subscription> => {
  const client = createWebSocketClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    connectionParams: { authorization: `Bearer ${key}` },
    webSocketImpl: WebSocket,
    retryAttempts: 0,
  })
  const events = client.iterate({ query }) as AsyncIterableIterator<Event>
  return {
    next: async () => ((await events.next()).value as Event | undefined) ?? undefined,
    [Symbol.asyncDispose]: async () => {
      await events.return?.()
      await client.dispose()
    },
  }
}

const transports = [
  ['server-sent events', overEvents],
  ['WebSocket', overWebSocket],
] as const

const rename = (text: string) =>
  api.graphql.change<{ configVersion: number }>(
    `mutation ($text: String) { routeUpdate(input: { route: { name: "route" }, description: $text }) { configVersion userErrors { code } } }`,
    { text },
  )

describe.each(transports)('over %s', (_, subscribe) => {
  test('configChanged begins with the current version and leaves none out, also for who reads late', async () => {
    const current = api.control.snapshots.current().version
    await using subscription = await subscribe(
      'subscription { configChanged { version actor { ... on ApiKey { name } } changed { __typename ... on Route { name description } } } }',
    )
    expect((await subscription.next())?.data?.['configChanged']).toMatchObject({ version: current, changed: [] })
    const versions = []
    for (let i = 1; i <= 110; i++) versions.push((await rename(`text ${current} ${i}`)).configVersion)
    for (const version of versions) {
      const event = await subscription.next()
      expect(event?.data?.['configChanged']).toMatchObject({
        version,
        changed: [{ __typename: 'Route', name: 'route' }],
      })
    }
    // What it refers to is read when it is told, and not remembered from an earlier event.
    const { configVersion } = await rename('the latest')
    expect((await subscription.next())?.data?.['configChanged']).toMatchObject({
      version: configVersion,
      actor: { name: 'SIGNALBOX_ADMIN_KEY' },
      changed: [{ description: 'the latest' }],
    })
  })

  test('configChanged goes on after the last version that was seen, and says so if that is too old', async () => {
    const seen = api.control.snapshots.current().version
    const versions = [(await rename(`since ${seen} a`)).configVersion, (await rename(`since ${seen} b`)).configVersion]
    const document = `subscription { configChanged(since: ${seen}) { version } }`
    {
      await using subscription = await subscribe(document)
      for (const version of versions) expect((await subscription.next())?.data).toEqual({ configChanged: { version } })
      const { configVersion } = await rename(`since ${seen} c`)
      expect((await subscription.next())?.data).toEqual({ configChanged: { version: configVersion } })
    }
    await api.control.db.deleteFrom('config_change').where('version', '=', versions[0]!).execute()
    await using late = await subscribe(document)
    expect(JSON.stringify(await late.next())).toContain('no longer stored')
  })

  test('routeTraffic comes at once, counts its events, and gives a slow reader the newest', async () => {
    await using subscription = await subscribe(
      'subscription { routeTraffic(by: { name: "route" }, windowMs: 5000) { sequence requests windowMs route { name } } }',
    )
    expect((await subscription.next())?.data?.['routeTraffic']).toEqual({
      sequence: 1,
      requests: 0,
      windowMs: 5000,
      route: { name: 'route' },
    })
    const [push] = [...api.live.watchers]
    const report = (requests: number) => ({
      routeId: 'rte_0',
      revision: 1,
      windowMs: 5000,
      atMs: 0,
      requests,
      inFlight: 0,
      fallbackShare: 0,
      targets: [],
      divergence: [],
      gateways: 1,
    })
    push!(report(1))
    expect((await subscription.next())?.data?.['routeTraffic']).toMatchObject({ sequence: 2, requests: 1, route: null })
    for (let i = 2; i <= 1_000; i++) push!(report(i))
    let last
    do last = (await subscription.next())?.data?.['routeTraffic']
    while (last?.['requests'] !== 1_000)
    expect(last).toMatchObject({ sequence: 1_001 })
  })

  test('requestLogged shows what ends and matches, and counts what it left out', async () => {
    await using subscription = await subscribe(
      'subscription { requestLogged(filter: { outcomes: [OK] }) { dropped requestLog { status outcome inputTokens } } }',
    )
    await until(() => api.live.requestListeners.size === 1)
    const [push] = [...api.live.requestListeners]
    push!(usageRecord({ outcome: 'CANCELLED' }))
    push!(usageRecord())
    expect((await subscription.next())?.data?.['requestLogged']).toEqual({
      dropped: 0,
      requestLog: { status: 200, outcome: 'OK', inputTokens: 10 },
    })
    const burst = 10_000
    for (let i = 0; i < burst; i++) push!(usageRecord())
    push!(usageRecord())
    let seen = 0
    // The last of the burst may be left out too; the next one tells.
    while (seen < burst + 1) {
      const event = await Promise.race([subscription.next(), pushSoon(push!)])
      if (!event) continue
      const { dropped } = event.data!['requestLogged'] as { dropped: number }
      seen += 1 + dropped
    }
    expect(seen).toBeGreaterThan(burst)
  })

  test('requestLogged shows only its own to who becomes a member meanwhile', async () => {
    const made = await api.makeKey('OPERATOR', ['USAGE_READ'])
    await using subscription = await subscribe('subscription { requestLogged { requestLog { id } } }', made.key)
    await until(() => api.live.requestListeners.size === 1)
    const [push] = [...api.live.requestListeners]
    const shown = async () => (await subscription.next())?.data?.['requestLogged']?.['requestLog']
    const [foreign, own] = [usageRecord(), usageRecord({ userId: made.userId, apiKeyId: made.apiKeyId })]
    push!(foreign)
    expect(await shown()).toEqual({ id: foreign.id })
    await api.graphql.change(
      'mutation ($id: ID!) { userUpdate(input: { id: $id, role: MEMBER }) { userErrors { code } } }',
      { id: made.userId },
    )
    push!(foreign)
    push!(own)
    expect(await shown()).toEqual({ id: own.id })
  })

  test('requestLogged keeps what was queued from who becomes a member before it is read', async () => {
    await using own = await openTestApi()
    const { snapshots } = own.control
    const made = await own.makeKey('OPERATOR', ['USAGE_READ'])
    const asOperator = snapshots.current()
    await own.graphql.change(
      'mutation ($id: ID!) { userUpdate(input: { id: $id, role: MEMBER }) { userErrors { code } } }',
      { id: made.userId },
    )
    const asMember = snapshots.current()
    snapshots.publish({ ...asOperator, version: asMember.version + 1 })
    await using subscription = await subscribe(
      'subscription { requestLogged { requestLog { id } } }',
      made.key,
      own.url,
    )
    await until(() => own.live.requestListeners.size === 1)
    const [push] = [...own.live.requestListeners]
    // In one turn, so that nothing is read between the events and the end of the role.
    for (let i = 0; i < 10; i++) push!(usageRecord())
    snapshots.publish({ ...asMember, version: asMember.version + 2 })
    const last = usageRecord({ userId: made.userId, apiKeyId: made.apiKeyId })
    push!(last)
    expect(await subscription.next()).toMatchObject({ data: { requestLogged: { requestLog: { id: last.id } } } })
  })

  test('a subscription that cannot be read any further ends with a masked error, and leaves nothing behind', async () => {
    await using own = await openTestApi()
    const { db, snapshots } = own.control
    await using subscription = await subscribe('subscription { configChanged { version } }', own.adminKey, own.url)
    await subscription.next()
    await db.schema.alterTable('config_change').renameTo('config_change_gone').execute()
    const current = snapshots.current()
    snapshots.publish({ ...current, version: current.version + 1 })
    const last = await subscription.next()
    expect(last?.errors).toMatchObject([
      { extensions: { code: 'INTERNAL_SERVER_ERROR', requestId: expect.any(String) } },
    ])
    expect(own.faults).toMatchObject([{ requestId: expect.any(String) }])
    expect(await subscription.next()).toBeUndefined()
    await until(() => own.live.snapshotListeners() === 0)
  })

  test('users and keys are shown only to who may administer by then', async () => {
    const made = await api.makeKey('ADMIN', ['CONFIG_READ', 'ADMIN'])
    await using subscription = await subscribe(
      'subscription { configChanged { version changed { ... on User { id role } } } }',
      made.key,
    )
    await subscription.next()
    await api.graphql.change(
      'mutation ($id: ID!) { userUpdate(input: { id: $id, role: OPERATOR }) { userErrors { code } } }',
      { id: made.userId },
    )
    await subscription.next()
    await api.makeKey('MEMBER', ['INFERENCE'])
    expect(await subscription.next()).toMatchObject({ data: { configChanged: { changed: [] } } })
  })

  test.each([
    ['is revoked', 'mutation ($id: ID!) { apiKeyRevoke(input: { id: $id }) { userErrors { code } } }', 'apiKeyId'],
    [
      'loses its owner’s role',
      'mutation ($id: ID!) { userUpdate(input: { id: $id, role: MEMBER }) { userErrors { code } } }',
      'userId',
    ],
    ['loses its owner', 'mutation ($id: ID!) { userDelete(input: { id: $id }) { userErrors { code } } }', 'userId'],
  ] as const)('a subscription ends when its key %s, and says so', async (_what, mutation, member) => {
    const made = await api.makeKey('OPERATOR', ['CONFIG_READ'])
    await using subscription = await subscribe(
      'subscription { routeTraffic(by: { name: "route" }) { sequence } }',
      made.key,
    )
    expect((await subscription.next())?.data).toEqual({ routeTraffic: { sequence: 1 } })
    await api.graphql.change(mutation, { id: made[member] })
    const last = await subscription.next()
    expect(last?.errors?.[0]?.extensions?.code).toBe('UNAUTHENTICATED')
    expect(await subscription.next()).toBeUndefined()
  })

  test('a subscription ends when its key expires', async () => {
    const made = await api.makeKey('OPERATOR', ['CONFIG_READ'])
    await api.graphql.change(
      'mutation ($id: ID!, $at: DateTime) { apiKeyUpdate(input: { id: $id, expiresAt: $at }) { userErrors { code } } }',
      { id: made.apiKeyId, at: new Date(Date.now() + 700).toISOString() },
    )
    await using subscription = await subscribe('subscription { configChanged { version } }', made.key)
    expect((await subscription.next())?.data).toEqual({ configChanged: { version: expect.any(Number) } })
    expect((await subscription.next())?.errors?.[0]?.extensions?.code).toBe('UNAUTHENTICATED')
    expect(await subscription.next()).toBeUndefined()
  })

  test.each([
    ['an unknown route', 'routeTraffic(by: { name: "nowhere" }) { sequence }', 'NOT_FOUND'],
    ['too short an interval', 'routeTraffic(by: { name: "route" }, intervalMs: 249) { sequence }', 'BAD_USER_INPUT'],
    ['too long an interval', 'routeTraffic(by: { name: "route" }, intervalMs: 60001) { sequence }', 'BAD_USER_INPUT'],
    ['too long a window', 'routeTraffic(by: { name: "route" }, windowMs: 300001) { sequence }', 'BAD_USER_INPUT'],
  ])('%s is an error', async (_what, field, code) => {
    await using subscription = await subscribe(`subscription { ${field} }`)
    const event = await subscription.next().catch((errors: unknown) => ({ errors }) as Event)
    expect(event?.errors?.[0]?.extensions?.code).toBe(code)
  })
})

test.each(['application/json', 'application/graphql-response+json', 'multipart/mixed, application/json'])(
  'a subscription whose answer may only be %s is refused with 406, and leaves nothing behind',
  async (accept) => {
    const { status, body } = await api.graphql.post({ query: 'subscription { configChanged { version } }' }, { accept })
    expect(status).toBe(406)
    expect(body.errors).toMatchObject([{ extensions: { code: 'NOT_ACCEPTABLE' } }])
    expect(api.live.snapshotListeners()).toBe(0)
  },
)

test('500 connects and disconnects leave nothing behind', async () => {
  for (let round = 0; round < 20; round++) {
    const subscriptions = await Promise.all(
      Array.from({ length: 25 }, async (_, i) => {
        const query =
          i % 2 === 0
            ? 'subscription { configChanged { version } }'
            : 'subscription { routeTraffic(by: { name: "route" }) { sequence } }'
        const subscription = await (i % 5 === 0 ? overWebSocket(query) : overEvents(query))
        await subscription.next()
        return subscription
      }),
    )
    await Promise.all(subscriptions.map((subscription) => subscription[Symbol.asyncDispose]()))
  }
  await until(() => api.live.watchers.size === 0 && api.live.snapshotListeners() === 0)
})

describe('a WebSocket', () => {
  const open = (headers: Record<string, string> = {}) =>
    new WebSocket(`${api.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers })

  test('takes the key as a header of the upgrade', async () => {
    const socket = open({ authorization: `Bearer ${api.adminKey}` })
    await once(socket, 'open')
    socket.send(JSON.stringify({ type: 'connection_init' }))
    const [message] = (await once(socket, 'message')) as [Buffer]
    expect(JSON.parse(message.toString())).toEqual({ type: 'connection_ack' })
    socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: '{ viewer { scopes } }' } }))
    const [result] = (await once(socket, 'message')) as [Buffer]
    expect(JSON.parse(result.toString())).toMatchObject({ type: 'next', payload: { data: { viewer: {} } } })
    socket.close()
    await once(socket, 'close')
  })

  test('with a wrong key in the upgrade is refused with 401', async () => {
    const socket = open({ authorization: 'Bearer nobody' })
    expect(await refusalOf(socket)).toEqual([401, 'UNAUTHENTICATED'])
    socket.on('error', () => {})
    socket.terminate()
  })

  test.each([
    ['without a key', {}],
    ['with a wrong key', { authorization: 'Bearer nobody' }],
    ['with a key that is no text', { authorization: { key: 'nobody' } }],
    ['with headers that are none', { headers: 'authorization: Bearer nobody' }],
    ['with another scheme', { authorization: 'Basic bm9ib2R5' }],
  ])('%s in its first message is closed, and told how a key is given', async (_, payload) => {
    const socket = open()
    await once(socket, 'open')
    socket.send(JSON.stringify({ type: 'connection_init', payload }))
    const [code, reason] = (await once(socket, 'close')) as [number, Buffer]
    expect(code).toBe(4403)
    expect(reason.toString()).toContain('authorization: "Bearer ..."')
    expect(reason.toString()).not.toContain('nobody')
  })

  test.each<[string, (key: string) => object]>([
    ['`authorization`', (key) => ({ authorization: `Bearer ${key}` })],
    ['`Authorization`', (key) => ({ Authorization: `bearer ${key}` })],
    ['`headers.authorization`', (key) => ({ headers: { authorization: `Bearer ${key}` } })],
    ['`headers.Authorization`', (key) => ({ headers: { Authorization: `Bearer ${key}` } })],
    ['a bare key', (key) => ({ authorization: key })],
    ['a bare key in `headers`', (key) => ({ headers: { authorization: key } })],
  ])('takes the key as %s of its first message', async (_, payloadOf) => {
    const client = createWebSocketClient({
      url: `${api.url.replace('http', 'ws')}/graphql`,
      connectionParams: payloadOf(api.adminKey) as Record<string, unknown>,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
    })
    for await (const event of client.iterate({ query: '{ routes { totalCount } }' }))
      expect(event).toMatchObject({ data: { routes: { totalCount: 1 } } })
    await client.dispose()
  })

  test('runs nothing for a key that was revoked after it was opened', async () => {
    const made = await api.makeKey('OPERATOR', ['CONFIG_READ'])
    const client = createWebSocketClient({
      url: `${api.url.replace('http', 'ws')}/graphql`,
      connectionParams: { authorization: `Bearer ${made.key}` },
      webSocketImpl: WebSocket,
      lazy: false,
      retryAttempts: 0,
    })
    const ask = async () => {
      for await (const event of client.iterate({ query: '{ routes { totalCount } }' })) return event
      return undefined
    }
    expect(await ask()).toMatchObject({ data: { routes: { totalCount: 1 } } })
    await api.graphql.change('mutation ($id: ID!) { apiKeyRevoke(input: { id: $id }) { userErrors { code } } }', {
      id: made.apiKeyId,
    })
    await expect(ask()).rejects.toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }])
    await client.dispose()
  })

  test('that sends what is no message, or too large a one, is closed and hurts nobody', async () => {
    for (const text of ['no JSON', `{"type":"ping","payload":{"x":"${'x'.repeat(1_100_000)}"}}`]) {
      const socket = open({ authorization: `Bearer ${api.adminKey}` })
      await once(socket, 'open')
      socket.send(text)
      await once(socket, 'close')
    }
    expect(api.faults).toEqual([])
  })

  test('at another path is refused', async () => {
    const socket = new WebSocket(`${api.url.replace('http', 'ws')}/elsewhere`, 'graphql-transport-ws')
    expect(await refusalOf(socket)).toEqual([404, 'NOT_FOUND'])
    socket.on('error', () => {})
    socket.terminate()
  })
})

describe('the queue of a subscription', () => {
  test('wakes a reader that waits when it ends, and calls its clean-ups once', async () => {
    const queue = new EventQueue<number>(1, 'DROP_OLDEST')
    let cleanUps = 0
    queue.onEnd(() => cleanUps++)
    const waiting = queue.next()
    await queue.return()
    queue.end()
    expect(await waiting).toEqual({ done: true, value: undefined })
    queue.onEnd(() => cleanUps++)
    expect(cleanUps).toBe(2)
  })

  test('keeps the newest or the oldest, as it was told', async () => {
    const newest = new EventQueue<number>(2, 'DROP_OLDEST')
    const oldest = new EventQueue<number>(2, 'DROP_NEWEST')
    for (const queue of [newest, oldest]) for (const event of [1, 2, 3, 4]) queue.push(event)
    newest.end()
    oldest.end()
    expect(await readAll(newest)).toEqual([3, 4])
    expect(await readAll(oldest)).toEqual([1, 2])
    expect([newest.dropped, oldest.dropped]).toEqual([2, 2])
  })
})

/** How an upgrade was refused: as every other answer, with a request id and a body. */
async function refusalOf(socket: WebSocket): Promise<[status: number | undefined, code: unknown]> {
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
  expect(response.headers['x-request-id']).toBeTruthy()
  const { errors } = (await json(response)) as { errors: { extensions: { code: string } }[] }
  return [response.statusCode, errors[0]!.extensions.code]
}

async function pushSoon(push: (record: ReturnType<typeof usageRecord>) => void): Promise<undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  setTimeout(() => {
    push(usageRecord())
    resolve(undefined)
  }, 20)
  return promise
}

async function readAll<T>(events: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const event of events) all.push(event)
  return all
}
