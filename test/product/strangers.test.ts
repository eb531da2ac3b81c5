/** The product beside seventeen strangers that each announce 64 MiB, send all they can of it, and stop: good keys are served. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Product, startProduct } from '../support/product.ts'
import { until } from '../support/until.ts'
import { openUpstream } from '../support/upstream.ts'

const megabyte = 1024 * 1024
const strangers = 17
/** Callers without a key have a 32nd of the memory and of the disk. */
const settings = {
  SIGNALBOX_MAX_BODY_MEMORY_BYTES: String(1024 * megabyte),
  SIGNALBOX_MAX_BODY_DISK_BYTES: String(1024 * megabyte),
}
const shareBytes = 32 * megabyte

let opened: AsyncDisposableStack
let product: Product

beforeEach(async () => {
  opened = new AsyncDisposableStack()
  const upstream = opened.use(await openUpstream({ name: 'llama' }))
  product = opened.use(await startProduct({ env: settings }))
  const input = { name: 'llama', endpoints: [{ url: upstream.baseUrl }] }
  await product.graphql.change(
    `mutation ($input: DeploymentCreateInput!) { deploymentCreate(input: $input) { userErrors { code path message } } }`,
    { input },
  )
})

afterEach(() => opened.disposeAsync())

async function makePublic(): Promise<void> {
  await product.graphql.change(
    `mutation { routeAccessSet(input: { route: { name: "llama" }, access: { policy: PUBLIC } }) { userErrors { code path message } } }`,
  )
}

function residentBytes(): number {
  const [, kilobytes = ''] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${product.pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) * 1024
}

/** Sizes of the files that the product has open without a name: uploads. */
function uploadSizes(): number[] {
  const folder = `/proc/${product.pid}/fd`
  return readdirSync(folder).flatMap((fd) => {
    try {
      const isUpload = /\/signalbox-[^/]* \(deleted\)$/.test(readlinkSync(`${folder}/${fd}`))
      return isUpload ? [statSync(`${folder}/${fd}`).size] : []
    } catch {
      return []
    }
  })
}

interface Stranger {
  readonly socket: Socket
  answer: string
}

const kinds = {
  json: { path: '/v1/chat/completions', type: 'application/json', begins: '{"model":"llama","x":"' },
  form: {
    path: '/v1/audio/transcriptions',
    type: 'multipart/form-data; boundary=XX',
    begins: '--XX\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n',
  },
}

function begin({ path, type, begins }: (typeof kinds)['json']): Stranger {
  const { hostname, port } = new URL(product.gatewayUrl)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  const stranger = { socket, answer: '' }
  opened.defer(() => void socket.destroy())
  socket.on('error', () => {})
  socket.on('data', (bytes) => (stranger.answer += bytes.toString('latin1')))
  // Without a length, so that nothing can be refused by what is announced.
  socket.write(`POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-type: ${type}\r\ntransfer-encoding: chunked\r\n\r\n`)
  socket.write(`${(64 * megabyte).toString(16)}\r\n${begins}`)
  return stranger
}

async function expectService(): Promise<void> {
  const answer = await fetch(`${product.gatewayUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${product.adminKey}`, 'content-type': 'application/json' },
    body: '{"model":"llama","messages":[]}',
    signal: AbortSignal.timeout(60_000),
  })
  expect(await answer.text()).toContain('hello from llama')
  expect(answer.status).toBe(200)
}

/** Sends 63 MiB from each, and asks with a good key all the while; returns by how much the process grew at most. */
async function flood(kind: (typeof kinds)['json']): Promise<{ grownBytes: number; all: readonly Stranger[] }> {
  for (let i = 0; i < 50; i++) await expectService()
  const before = residentBytes()
  let most = before
  const all = Array.from({ length: strangers }, () => begin(kind))
  const piece = Buffer.alloc(megabyte, 'x')
  for (let sent = 0; sent < 63; sent++) {
    for (const { socket } of all) if (!socket.destroyed && socket.writableLength < 4 * megabyte) socket.write(piece)
    await expectService()
    most = Math.max(most, residentBytes())
  }
  return { grownBytes: most - before, all }
}

test.skipIf(process.platform !== 'linux').each(['json', 'form'] as const)(
  'where no route is public, a flood of %s costs nothing',
  { timeout: 240_000 },
  async (kind) => {
    const first = await flood(kinds[kind])
    // What strangers send behind their 401 is read over no faster than its garbage is collected.
    expect(first.grownBytes).toBeLessThan(64 * megabyte)
    for (const { socket } of first.all) socket.destroy()
    const { grownBytes, all } = await flood(kinds[kind])
    expect(grownBytes).toBeLessThan(64 * megabyte)
    await until(() => all.every(({ answer }) => answer.startsWith('HTTP/1.1 401 ')))
    expect(uploadSizes()).toEqual([])
  },
)

test.skipIf(process.platform !== 'linux').each(['json', 'form'] as const)(
  'where one is public, a flood of %s takes the share of strangers, and gives it back',
  { timeout: 240_000 },
  async (kind) => {
    await makePublic()
    const { grownBytes, all } = await flood(kinds[kind])
    // What the share counts, and what is on its way to the disk, and what the collector has not yet taken away.
    expect(grownBytes).toBeLessThan(256 * megabyte + 2 * shareBytes)
    expect(all.filter(({ answer }) => answer.startsWith('HTTP/1.1 503 ')).length).toBeGreaterThan(0)
    expect(all.filter(({ answer }) => answer.startsWith('HTTP/1.1 2'))).toEqual([])
    expect(uploadSizes().reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(shareBytes)
    for (const { socket } of all) socket.destroy()
    await until(() => uploadSizes().length === 0)
    await expectService()
  },
)
