import { expect, test } from 'vitest'
import { openUpstream } from '../../support/upstream.ts'
import { deployment, hashOfKey, openTestGateway, route, testApiKey, testKey } from '../support/open-test-gateway.ts'

const request = JSON.stringify({ model: 'open', messages: [] })

function configuration(baseUrl: string) {
  const closed = { access: { policy: 'RESTRICTED', userIds: [], apiKeyIds: ['key_other'] } } as const
  const open = { access: { policy: 'PUBLIC', userIds: [], apiKeyIds: [] } } as const
  return {
    deployments: [deployment('a', [baseUrl])],
    routes: [
      route('normal', ['dep_a']),
      route('closed', ['dep_a'], closed),
      route('open', ['dep_a'], open),
      route('gone', ['dep_a'], { state: 'DISABLED' }),
      route('leaving', ['dep_a'], { state: 'DRAINING' }),
    ],
    apiKeys: [testApiKey, { ...testApiKey, id: 'key_other', hash: hashOfKey('other') }],
  }
}

test('who may call what', async () => {
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway(configuration(upstream.baseUrl))
  const call = async (model: string, headers: Record<string, string>) => {
    const answer = await fetch(`${gateway.origin}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ model, messages: [] }),
    })
    const body = (await answer.json()) as { error?: { code: string } }
    return `${answer.status} ${body.error?.code ?? ''}`.trim()
  }
  const key = { authorization: `Bearer ${testKey}` }
  expect(await call('normal', key)).toBe('200')
  expect(await call('normal', { authorization: `bearer ${testKey}` })).toBe('200')
  expect(await call('normal', { 'x-api-key': testKey })).toBe('200')
  expect(await call('normal', { 'api-key': testKey })).toBe('200')
  expect(await call('normal', {})).toBe('401 invalid_api_key')
  expect(await call('normal', { authorization: 'Bearer wrong' })).toBe('401 invalid_api_key')
  expect(await call('normal', { authorization: 'Basic abc' })).toBe('401 invalid_api_key')
  expect(await call('closed', key)).toBe('403 route_not_allowed')
  expect(await call('closed', { authorization: 'Bearer other' })).toBe('200')
  expect(await call('open', {})).toBe('200')
  expect(await call('gone', key)).toBe('404 model_not_found')
  expect(await call('never', key)).toBe('404 model_not_found')
  expect(await call('leaving', key)).toBe('503 no_target_available')
  expect(gateway.records.map(({ outcome }) => outcome)).toContain('DENIED')
  expect(JSON.stringify([gateway.records, gateway.logs])).not.toContain(testKey)
})

test('a refusal says of the route what the caller may know, and its record what was asked for', async () => {
  await using gateway = await openTestGateway(configuration('http://127.0.0.1:9/v1'))
  const refused = async (model: string, key: string | undefined) => {
    const authorization: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` }
    const { headers } = await fetch(`${gateway.origin}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...authorization },
      body: JSON.stringify({ model, messages: [] }),
    })
    const { routeName, outcome } = gateway.records.find(({ id }) => id === headers.get('x-request-id'))!
    return [headers.get('x-signalbox-route'), headers.get('x-signalbox-revision'), routeName, outcome]
  }
  expect(await refused('closed', testKey)).toEqual(['closed', '7', 'closed', 'DENIED'])
  expect(await refused('closed', undefined)).toEqual([null, null, 'closed', 'DENIED'])
  expect(await refused('gone', testKey)).toEqual([null, null, 'gone', 'CLIENT_ERROR'])
  expect(await refused('leaving', testKey)).toEqual(['leaving', '7', 'leaving', 'UPSTREAM_ERROR'])
})

test('the models are those that the caller may use', async () => {
  await using gateway = await openTestGateway(configuration('http://127.0.0.1:9/v1'))
  const list = async (headers: Record<string, string>) => {
    const answer = await fetch(`${gateway.origin}/v1/models`, { headers })
    return ((await answer.json()) as { data: { id: string }[] }).data.map(({ id }) => id)
  }
  expect(await list({ authorization: `Bearer ${testKey}` })).toEqual(['normal', 'open'])
  expect(await list({ authorization: 'Bearer other' })).toEqual(['closed', 'normal', 'open'])
  expect(await list({})).toEqual(['open'])
  const one = await gateway.get('/v1/models/normal')
  expect(await one.json()).toEqual({ id: 'normal', object: 'model', created: 1_700_000_000, owned_by: 'signalbox' })
  for (const name of ['closed', 'gone', 'no%2Fsuch', '%ff'])
    expect((await gateway.get(`/v1/models/${name}`)).status).toBe(404)
})

test.each([
  ['/chat/completions', '{', 'invalid_json'],
  ['/chat/completions', '{"messages":[]}', 'missing_model'],
  ['/chat/completions', '{"model":7}', 'missing_model'],
  ['/chat/completions', '{"model":"open","mod\\u0065l":"normal"}', 'duplicate_model'],
  ['/chat/completions', '{"model":"a\\u0000\\ud800"}', 'model_not_found'],
])('a bad body is refused with its code: %s %s', async (path, body, code) => {
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway(configuration(upstream.baseUrl))
  const answer = await gateway.post(path, body)
  expect(await answer.json()).toMatchObject({ error: { code, type: 'invalid_request_error' } })
  const messages = await gateway.post('/messages', body)
  expect(await messages.json()).toMatchObject({ type: 'error', error: { type: expect.any(String) } })
  expect(upstream.requests).toHaveLength(0)
  expect(gateway.records).toHaveLength(2)
  expect(gateway.records[0]!.requestedModel?.isWellFormed() ?? true).toBe(true)
  expect(gateway.records[0]!.requestedModel ?? '').not.toContain('\0')
})

test('an upstream whose address may not be called is never connected', async () => {
  await using upstream = await openUpstream()
  const isAllowedAddress = (address: string) => !/127\.|7f00:1/.test(address)
  for (const host of ['127.0.0.1', 'localhost', '2130706433', '0x7f.1', '[::ffff:7f00:1]']) {
    const url = `http://${host}:${upstream.port}/v1`
    await using gateway = await openTestGateway(
      { deployments: [deployment('a', [url])], routes: [route('open', ['dep_a'])] },
      { isAllowedAddress },
    )
    const answer = await gateway.post('/chat/completions', request)
    expect({ host, status: answer.status }).toEqual({ host, status: 502 })
    expect(upstream.openConnections()).toBe(0)
  }
})

test('a redirect is not followed', async () => {
  await using upstream = await openUpstream()
  await using elsewhere = await openUpstream()
  await using gateway = await openTestGateway(configuration(upstream.baseUrl))
  upstream.setScript(() => ({ response }) => {
    response.writeHead(307, { location: `${elsewhere.baseUrl}/chat/completions` }).end()
  })
  const answer = await fetch(`${gateway.origin}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${testKey}`, 'content-type': 'application/json' },
    body: request,
    redirect: 'manual',
  })
  expect(answer.status).toBe(502)
  expect(answer.headers.has('location')).toBe(false)
  expect(elsewhere.requests).toHaveLength(0)
})

test('without a key no name of a model can be guessed', async () => {
  await using upstream = await openUpstream()
  await using gateway = await openTestGateway(configuration(upstream.baseUrl))
  const ask = async (name: string, headers: Record<string, string>) => {
    const answer = await fetch(`${gateway.origin}/v1/models/${name}`, { headers })
    const body = (await answer.json()) as { error?: { code: string } }
    return `${answer.status} ${body.error?.code ?? ''}`.trim()
  }
  for (const name of ['normal', 'never', 'gone']) expect(await ask(name, {})).toBe('401 invalid_api_key')
  expect(await ask('open', {})).toBe('200')
  expect(await ask('never', { authorization: `Bearer ${testKey}` })).toBe('404 model_not_found')
})
