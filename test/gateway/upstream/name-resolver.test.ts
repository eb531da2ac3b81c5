/** Names whose resolver answers, hangs or fails. */
import { once } from 'node:events'
import { createSocket } from 'node:dgram'
import { type LookupAddress, promises as dns } from 'node:dns'
import { expect, test } from 'vitest'
import { type NameAnswer, NameResolver, type NameTimes } from '../../../src/gateway/upstream/name-resolver.ts'
import { openUpstream } from '../../support/upstream.ts'
import { until } from '../../support/until.ts'
import { deployment, openTestGateway, provider, route } from '../support/open-test-gateway.ts'

const address = (last: number) => [{ address: `127.0.0.${last}`, family: 4 }]

/** A resolver that answers when the test says so. */
function openResolver(times: Partial<NameTimes> = {}, maxAtOnce = 4) {
  const asked: string[] = []
  const pending = new Map<string, NameAnswer>()
  const names = new NameResolver(
    (name, answer) => {
      asked.push(name)
      pending.set(name, answer)
    },
    maxAtOnce,
    times,
  )
  const answer = (name: string, ...result: Parameters<NameAnswer>) => {
    const told = pending.get(name)!
    pending.delete(name)
    told(...result)
  }
  return { names, asked, answer }
}

/** The last number of the address, or the code of the failure. */
function ask(names: NameResolver, name: string): Promise<number | string> {
  return new Promise((resolve) => {
    names.lookUp(name, (error, addresses) =>
      resolve(error ? error.code! : Number(addresses[0]!.address.split('.').at(-1))),
    )
  })
}

test('all who ask for a name at the same time get the answer of one look-up, however they write it', async () => {
  const { names, asked, answer } = openResolver()
  const all = ['a.test', 'A.test', 'a.TEST'].map((name) => ask(names, name))
  answer('a.test', null, address(1))
  expect(await Promise.all(all)).toEqual([1, 1, 1])
  expect(await ask(names, 'a.test')).toBe(1)
  expect(asked).toEqual(['a.test'])
})

test('an answer that is no longer fresh is used at once, and a new one asked for behind it', async () => {
  const { names, asked, answer } = openResolver({ freshMs: 0 })
  const first = ask(names, 'a.test')
  answer('a.test', null, address(1))
  expect(await first).toBe(1)
  expect(await ask(names, 'a.test')).toBe(1)
  expect(await ask(names, 'a.test')).toBe(1)
  expect(asked).toEqual(['a.test', 'a.test'])
  answer('a.test', null, address(2))
  expect(await ask(names, 'a.test')).toBe(2)
})

test('an old answer is used when the new one does not come', async () => {
  const { names, answer } = openResolver({ freshMs: 0, staleMs: 0, patienceMs: 20 })
  const first = ask(names, 'a.test')
  answer('a.test', null, address(1))
  expect(await first).toBe(1)
  expect(await ask(names, 'a.test')).toBe(1)
  expect(await ask(names, 'a.test')).toBe(1)
})

test('an old answer holds on while nobody can say better, and not when the name is gone', async () => {
  const { names, answer } = openResolver({ freshMs: 0, staleMs: 0, failedMs: 0 })
  const outcomes = []
  for (const result of [
    [null, address(1)],
    [Object.assign(new Error(), { code: 'EAI_AGAIN' }), []],
    [Object.assign(new Error(), { code: 'ENOTFOUND' }), []],
    [Object.assign(new Error(), { code: 'EAI_AGAIN' }), []],
  ] as Parameters<NameAnswer>[]) {
    const asked = ask(names, 'a.test')
    answer('a.test', ...result)
    outcomes.push(await asked)
  }
  expect(outcomes).toEqual([1, 1, 'ENOTFOUND', 'EAI_AGAIN'])
})

test('a failure is kept for a moment', async () => {
  const { names, asked, answer } = openResolver()
  const first = ask(names, 'a.test')
  answer('a.test', Object.assign(new Error(), { code: 'ENOTFOUND' }), [])
  expect([await first, await ask(names, 'a.test')]).toEqual(['ENOTFOUND', 'ENOTFOUND'])
  expect(asked).toHaveLength(1)
})

test('a name whose server could not be reached is asked for again', async () => {
  const { names, asked, answer } = openResolver()
  const first = ask(names, 'a.test')
  answer('a.test', null, address(1))
  expect(await first).toBe(1)
  names.doubt('a.test')
  const second = ask(names, 'a.test')
  answer('a.test', null, address(2))
  expect(await second).toBe(2)
  expect(asked).toHaveLength(2)
})

test('nobody waits for a look-up for ever, and its answer is of use when it comes', async () => {
  const { names, asked, answer } = openResolver({ longestWaitMs: 20 })
  expect(await ask(names, 'a.test')).toBe('EAI_AGAIN')
  expect(await ask(names, 'a.test')).toBe('EAI_AGAIN')
  expect(asked).toHaveLength(1)
  answer('a.test', null, address(1))
  expect(await ask(names, 'a.test')).toBe(1)
})

test('names that were slow before leave half of the places to others, and who gets no place is told so', async () => {
  const { names, asked, answer } = openResolver({ slowMs: 0, failedMs: 0, queuedMs: 30 }, 2)
  for (const name of ['slow-1.test', 'slow-2.test']) {
    const asking = ask(names, name)
    answer(name, Object.assign(new Error(), { code: 'EAI_AGAIN' }), [])
    expect(await asking).toBe('EAI_AGAIN')
  }
  const slow = ['slow-1.test', 'slow-2.test'].map((name) => ask(names, name))
  const good = ask(names, 'good.test')
  answer('good.test', null, address(1))
  expect(await good).toBe(1)
  expect(asked).toEqual(['slow-1.test', 'slow-2.test', 'slow-1.test', 'good.test'])
  expect(await slow[1]).toBe('ERR_RESOLVER_BUSY')
  answer('slow-1.test', Object.assign(new Error(), { code: 'EAI_AGAIN' }), [])
  expect(await slow[0]).toBe('EAI_AGAIN')
})

/** A name server that takes questions for `*.hanging.test` and never answers. */
async function openSilentServer() {
  const server = createSocket('udp4').bind(0, '127.0.0.1')
  await once(server, 'listening')
  const questions: Buffer[] = []
  server.on('message', (question) => void questions.push(question))
  const resolver = new dns.Resolver({ timeout: 60_000, tries: 1 })
  resolver.setServers([`127.0.0.1:${server.address().port}`])
  const resolve = (name: string, answer: NameAnswer) => {
    const failed = (error: NodeJS.ErrnoException) => answer(error, [])
    const told = (addresses: LookupAddress[]) => answer(null, addresses)
    if (name.endsWith('.hanging.test')) resolver.resolve4(name).then(() => told([]), failed)
    else dns.lookup(name, { all: true }).then(told, failed)
  }
  return {
    resolve,
    questions,
    [Symbol.dispose]() {
      resolver.cancel()
      server.close()
    },
  }
}

test('names that hang fail by themselves, and a healthy deployment with a name never notices', async () => {
  using silent = await openSilentServer()
  await using upstream = await openUpstream()
  const hanging = Array.from({ length: 6 }, (_, i) => `h${i}`)
  const names = new NameResolver(silent.resolve, 8)
  await using gateway = await openTestGateway(
    {
      providers: hanging.map((name) => provider(name, `http://${name}.hanging.test/v1`)),
      deployments: [deployment('good', [upstream.baseUrl.replace('127.0.0.1', 'localhost')])],
      routes: [
        ...hanging.map((name) => route(name, [`pmd_${name}`], { timeouts: { connectMs: 300 } })),
        route('good', ['dep_good']),
      ],
    },
    { names },
  )
  const post = (model: string) => gateway.post('/chat/completions', { model, messages: [] })
  const stuck = hanging.flatMap((name) => [post(name), post(name), post(name)])
  await until(() => silent.questions.length >= hanging.length)
  for (let i = 0; i < 10; i++) expect((await post('good')).status).toBe(200)
  const failed = await Promise.all(stuck)
  expect(new Set(failed.map(({ status }) => status))).toEqual(new Set([502]))
  expect((await post('good')).status).toBe(200)
  const goods = gateway.records.filter(({ routeName }) => routeName === 'good')
  expect(goods.every(({ outcome }) => outcome === 'OK')).toBe(true)
  // One question for each name, whoever asks.
  expect(silent.questions).toHaveLength(hanging.length)
})

test('who waits behind names that hang is turned away, and its circuit stays closed', async () => {
  using silent = await openSilentServer()
  await using upstream = await openUpstream()
  const names = new NameResolver(silent.resolve, 1, { queuedMs: 50 })
  await using gateway = await openTestGateway(
    {
      providers: [provider('h', 'http://h.hanging.test/v1')],
      deployments: [deployment('good', [upstream.baseUrl.replace('127.0.0.1', 'localhost')])],
      routes: [route('h', ['pmd_h'], { timeouts: { connectMs: 500 } }), route('good', ['dep_good'])],
    },
    { names },
  )
  const post = (model: string) => gateway.post('/chat/completions', { model, messages: [] })
  const stuck = post('h')
  await until(() => silent.questions.length === 1)
  for (let i = 0; i < 6; i++) {
    const response = await post('good')
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ error: { code: 'overloaded' } })
  }
  expect(gateway.gateway.live.isHealthy('end_good_0')).toBe(true)
  await stuck
})
