/** `maxInFlight` over two processes of the product, whatever happens to their database. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { listGateways } from '../../src/storage/gateway/write.ts'
import { openTestDatabase } from '../support/database.ts'
import { openDatabaseProxy } from '../support/database-proxy.ts'
import { type Product, startProduct } from '../support/product.ts'
import { after, status } from '../support/replies.ts'
import { until } from '../support/until.ts'
import { openUpstream } from '../support/upstream.ts'

const maxInFlight = 10
/** At each of the two processes: alone it would fill the whole bound. */
const clientsEach = 14

test('holds while both lose the database for longer than they count as live, and find it again', async () => {
  await using opened = new AsyncDisposableStack()
  const { url, db } = opened.use(await openTestDatabase({ migrated: false }))
  const [proxy, otherProxy] = [opened.use(await openDatabaseProxy(url)), opened.use(await openDatabaseProxy(url))]
  const load = new HeldLoad()
  const upstream = opened.use(
    await openUpstream({ name: 'gpu', script: (request) => (request.method === 'GET' ? undefined : load.reply()) }),
  )
  const encryptionKey = randomBytes(32).toString('hex')
  const start = async (databaseUrl: string) =>
    opened.use(await startProduct({ env: { DATABASE_URL: databaseUrl, SIGNALBOX_ENCRYPTION_KEY: encryptionKey } }))
  const first = await start(proxy.url)
  const second = await start(otherProxy.url)
  await first.graphql.change(
    `mutation ($input: DeploymentCreateInput!) { deploymentCreate(input: $input) { userErrors { code path message } } }`,
    { input: { name: 'gpu', endpoints: [{ url: upstream.baseUrl, maxInFlight }] } },
  )
  const areIn = (state: string, least: number) => async () =>
    (await listGateways(db)).filter((gateway) => gateway.state === state).length >= least
  await until(areIn('LIVE', 2))
  // Each has heard of the other once it takes half.
  for (const product of [first, second]) await until(() => load.takesHalf(product), { timeoutMs: 30_000 })
  load.reset()
  const pressing = [first, second].flatMap((product) => Array.from({ length: clientsEach }, () => load.press(product)))
  await until(() => load.mostInFlight === maxInFlight)
  for (const each of [proxy, otherProxy]) each.cut()
  await until(areIn('LOST', 2), { timeoutMs: 30_000 })
  // The one that comes back first sees nobody.
  proxy.restore()
  await until(areIn('LIVE', 1), { timeoutMs: 30_000 })
  otherProxy.restore()
  await until(areIn('LIVE', 2), { timeoutMs: 30_000 })
  const served = load.served
  // Many turns more, and longer than a lower count must have held.
  await until(() => load.served > served + 50 * maxInFlight, { timeoutMs: 60_000 })
  load.stop()
  await Promise.all(pressing)
  expect(load.mostInFlight).toBe(maxInFlight)
}, 180_000)

/** An upstream's requests in flight, and clients that ask for as many as they can get. */
class HeldLoad {
  served = 0
  mostInFlight = 0
  #inFlight = 0
  #holdMs = 50
  #isOver = false

  reply() {
    this.#inFlight++
    this.mostInFlight = Math.max(this.mostInFlight, this.#inFlight)
    return after(this.#hold(), status(200, { choices: [] }))
  }

  async #hold(): Promise<void> {
    await sleep(this.#holdMs)
    this.#inFlight--
    this.served++
  }

  reset(): void {
    this.mostInFlight = 0
  }

  stop(): void {
    this.#isOver = true
  }

  async takesHalf(product: Product): Promise<boolean> {
    this.#holdMs = 300
    const statuses = await Promise.all(Array.from({ length: maxInFlight }, () => ask(product)))
    this.#holdMs = 50
    return statuses.filter((it) => it === 200).length === maxInFlight / 2
  }

  async press(product: Product): Promise<void> {
    while (!this.#isOver) if ((await ask(product)) !== 200) await sleep(20)
  }
}

async function ask({ gatewayUrl, adminKey }: Product): Promise<number> {
  const answer = await fetch(`${gatewayUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpu', messages: [] }),
  })
  await answer.text()
  return answer.status
}
