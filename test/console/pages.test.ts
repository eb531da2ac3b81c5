/** What the server makes of requests for the console's files. */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request as send } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readConsoleFiles } from '../../src/server/console/console-files.ts'
import { createConsolePages, isConsoleUrl } from '../../src/server/console/console-pages.ts'

const root = join(import.meta.dirname, '../..')
let origin: string
const server = createServer((request, response) => void pages.answer(request, response))
const pages = createConsolePages()

beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.close()
})

interface Got {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Node's own client: fetch would decompress, and normalise the path. */
async function get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Got> {
  const request = send(origin, { path, headers, method })
  request.end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const chunks = (await response.toArray()) as Buffer[]
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }
}

async function scriptPath(): Promise<string> {
  const page = (await get('/console')).body.toString()
  return `/console/${/src="\.\/(assets\/[^"]+\.js)"/.exec(page)![1]!}`
}

test('the first screen needs at most 200 KB of gzip', async () => {
  const page = (await get('/console')).body.toString()
  const paths = [...page.matchAll(/(?:src|href)="\.\/([^"]+\.(?:js|css|svg))"/g)].map(([, path]) => path!)
  expect(paths.length).toBeGreaterThanOrEqual(2)
  const sizes = await Promise.all(
    paths.map(async (path) => (await get(`/console/${path}`, { 'accept-encoding': 'gzip' })).body.length),
  )
  expect(sizes.reduce((sum, size) => sum + size, page.length)).toBeLessThan(200 * 1024)
})

test('each screen has an address, from which the page finds its files below any prefix', async () => {
  for (const [path, base] of [
    ['/console', 'console/'],
    ['/console?x=/y', 'console/'],
    ['/console/', './'],
    ['/console/requests', './'],
    ['/console/routes/rte_1?tab=why', '../'],
    ['/console/routes/', '../'],
  ] as const) {
    const { status, headers, body } = await get(path)
    expect([path, status, headers['content-type']]).toEqual([path, 200, 'text/html; charset=utf-8'])
    expect(body.toString()).toContain(`<base href="${base}" />`)
    const found = new URL(base, `https://example.com/some/prefix${path}`)
    expect(found.pathname).toBe('/some/prefix/console/')
  }
})

test('the policy forbids everything that is not from here, and frames', async () => {
  const { headers } = await get('/console')
  const policy = String(headers['content-security-policy'])
  expect(policy).toContain("default-src 'none'")
  expect(policy).toContain("script-src 'self'")
  expect(policy).toContain("frame-ancestors 'none'")
  expect(policy).not.toMatch(/unsafe|https?:|\*|data:/)
  expect(headers).toMatchObject({
    'x-frame-options': 'DENY',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  })
})

test('files are compressed as the client takes them, and kept for good under a hashed name', async () => {
  const path = await scriptPath()
  const plain = await get(path)
  const brotli = await get(path, { 'accept-encoding': 'gzip, deflate, br' })
  const gzip = await get(path, { 'accept-encoding': 'br;q=0, gzip' })
  expect(plain.headers['content-encoding']).toBeUndefined()
  expect(brotli.headers['content-encoding']).toBe('br')
  expect(gzip.headers['content-encoding']).toBe('gzip')
  expect(brotliDecompressSync(brotli.body)).toEqual(plain.body)
  expect(gunzipSync(gzip.body)).toEqual(plain.body)
  for (const { headers } of [plain, brotli, gzip])
    expect(headers).toMatchObject({ vary: 'accept-encoding', 'cache-control': 'public, max-age=31536000, immutable' })
  expect(new Set([plain, brotli, gzip].map(({ headers }) => headers.etag)).size).toBe(3)
})

test('what a browser has already is not sent again', async () => {
  for (const path of [await scriptPath(), '/console', '/console/favicon.svg']) {
    const { headers } = await get(path)
    const again = await get(path, { 'if-none-match': `"another", ${headers.etag}` })
    expect([path, again.status, again.body.length]).toEqual([path, 304, 0])
    expect((await get(path, { 'if-none-match': '"another"' })).status).toBe(200)
  }
})

test('HEAD has the headers of GET and no body; other methods are refused', async () => {
  const path = await scriptPath()
  const head = await get(path, {}, 'HEAD')
  expect([head.status, head.body.length]).toEqual([200, 0])
  expect(head.headers['content-length']).toBe((await get(path)).headers['content-length'])
  const post = await get('/console', {}, 'POST')
  expect([post.status, post.headers.allow]).toEqual([405, 'GET, HEAD'])
})

test('only files that were built are served, whatever the path says', async () => {
  for (const path of [
    '/console/assets/no-such-file.js',
    '/console/../package.json',
    '/console/%2e%2e/package.json',
    '/console/assets/../../package.json',
    '/console/index.html.br',
    '/console//etc/passwd.txt',
  ]) {
    const { status, body } = await get(path)
    expect([path, status]).toEqual([path, 404])
    expect(body.toString()).toBe('There is no such file.\n')
  }
})

test('paths that only begin like the console are none of its', () => {
  expect(['/console', '/console/', '/console?x', '/console/a/b'].every(isConsoleUrl)).toBe(true)
  expect(['/', '/consoles', '/console.js', '/graphql', '/Console', undefined].some(isConsoleUrl)).toBe(false)
})

test('without a built console the page says how to build it, and it is there once that was done', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sbx-console-'))
  let from = folder
  const unbuilt = createConsolePages({ read: () => readConsoleFiles(from) })
  const other = createServer((request, response) => void unbuilt.answer(request, response)).listen(0, '127.0.0.1')
  await once(other, 'listening')
  const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}/console`
  const before = await fetch(url)
  expect(before.status).toBe(503)
  expect(await before.text()).toContain('npm run console')
  from = join(root, 'console/dist')
  expect((await fetch(url)).status).toBe(200)
  other.close()
  await rm(folder, { recursive: true })
})
