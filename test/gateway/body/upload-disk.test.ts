/** Uploads that the disk does not take. */
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { mountSmallDisk } from '../../support/small-disk.ts'
import { until } from '../../support/until.ts'
import { openUpstream, type Upstream } from '../../support/upstream.ts'
import { deployment, openTestGateway, route, type TestGateway } from '../support/open-test-gateway.ts'

let opened: AsyncDisposableStack
let upstream: Upstream
let gateway: TestGateway
let folder: string

beforeEach(async () => {
  opened = new AsyncDisposableStack()
  folder = mkdtempSync(join(tmpdir(), 'sbx-upload-'))
  opened.defer(() => rmSync(folder, { recursive: true, force: true }))
  upstream = opened.use(await openUpstream())
  gateway = opened.use(
    await openTestGateway(
      { deployments: [deployment('a', [upstream.baseUrl])], routes: [route('chat', ['dep_a'])] },
      { maxRequestBytes: 64 * 1024 * 1024 },
    ),
  )
})

afterEach(() => opened.disposeAsync())

function useFolder(path: string): void {
  const before = process.env['TMPDIR']
  process.env['TMPDIR'] = path
  opened.defer(() => {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
  })
}

const formHead = '--XX\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
const formEnd = '\r\n--XX\r\ncontent-disposition: form-data; name="model"\r\n\r\nchat\r\n--XX--\r\n'

/** Begins an upload whose last byte is still to come. */
function beginUpload(fileBytes: number): Socket {
  const body = Buffer.concat([Buffer.from(formHead), Buffer.alloc(fileBytes, 'x'), Buffer.from(formEnd)])
  const socket = connect(gateway.port, '127.0.0.1')
  opened.defer(() => void socket.destroy())
  socket.on('error', () => {})
  socket.write(
    `POST /v1/audio/transcriptions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${gateway.key}\r\n` +
      `content-type: multipart/form-data; boundary=XX\r\ncontent-length: ${body.length}\r\n\r\n`,
  )
  socket.write(body.subarray(0, -1))
  return socket
}

async function readAnswer(socket: Socket): Promise<string> {
  let answer = ''
  socket.on('data', (chunk) => (answer += chunk.toString('latin1')))
  await once(socket, 'close')
  return answer
}

function expectOwnFailure(answer: string, cause: string): void {
  expect(answer).toMatch(/^HTTP\/1\.1 500 /)
  expect(answer).toContain('"code":"internal_error"')
  expect(upstream.requests).toHaveLength(0)
  expect(gateway.records.map(({ outcome, errorCode }) => ({ outcome, errorCode }))).toEqual([
    { outcome: 'GATEWAY_ERROR', errorCode: 'internal_error' },
  ])
  const [log, ...others] = gateway.logs.filter(({ level }) => level === 'error')
  expect(others).toEqual([])
  expect(log?.fields).toMatchObject({ requestId: gateway.records[0]!.id, err: { code: cause } })
  expect(gateway.gateway.inFlight).toBe(0)
}

async function expectService(): Promise<void> {
  const answer = await gateway.post('/audio/transcriptions', formHead + formEnd, {
    'content-type': 'multipart/form-data; boundary=XX',
  })
  expect(await answer.json()).toMatchObject({ text: 'hello from upstream' })
}

test('a folder for uploads that is not there fails the one request, before its client has sent all of it', async () => {
  useFolder(join(folder, 'nothing'))
  expectOwnFailure(await readAnswer(beginUpload(2 * 1024 * 1024)), 'ENOENT')
  await expectService()
})

test('a folder for uploads that may not be written fails the one request', async ({ skip }) => {
  skip(process.getuid?.() === 0, 'root may write everywhere')
  chmodSync(folder, 0o500)
  useFolder(folder)
  expectOwnFailure(await readAnswer(beginUpload(2 * 1024 * 1024)), 'EACCES')
  await expectService()
})

test('a disk that is full in the middle of an upload fails the one request, and has its room back', async ({
  skip,
}) => {
  const path = join(folder, 'disk')
  const disk = mountSmallDisk(path, '1m')
  skip(disk === undefined, 'a small file system can be mounted by root alone')
  opened.use(disk!)
  useFolder(path)
  expectOwnFailure(await readAnswer(beginUpload(6 * 1024 * 1024)), 'ENOSPC')
  await expectService()
  await until(async () => {
    const socket = beginUpload(1024 * 1024)
    socket.write('\n')
    const [chunk] = await once(socket, 'data')
    return String(chunk).startsWith('HTTP/1.1 200')
  })
})

test('an upload has no name on the disk, and its client may leave in the middle of it', async () => {
  useFolder(folder)
  const socket = beginUpload(4 * 1024 * 1024)
  await until(() => gateway.gateway.inFlight === 1)
  socket.destroy()
  await until(() => gateway.records.length === 1)
  expect(gateway.records[0]).toMatchObject({ outcome: 'CANCELLED' })
  await until(() => readdirSync(folder).length === 0)
  expect(gateway.logs.filter(({ level }) => level === 'error')).toEqual([])
})
