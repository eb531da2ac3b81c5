/** Upstreams that refuse a body by its length alone: they answer at its head, read no more of it, and close. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { deployment, openTestGateway, provider, route } from '../support/open-test-gateway.ts'

const refusing = join(import.meta.dirname, '../../support/refusing-upstream-process.ts')
const maxRequestBytes = 64 * 1024 * 1024
const times = 12

function json(model: string, bytes: number): readonly [string, Buffer, string] {
  return ['/chat/completions', Buffer.from(JSON.stringify({ model, x: 'x'.repeat(bytes) })), 'application/json']
}

function form(model: string, bytes: number): readonly [string, Buffer, string] {
  const head = '--XX\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
  const end = `\r\n--XX\r\ncontent-disposition: form-data; name="model"\r\n\r\n${model}\r\n--XX--\r\n`
  const body = Buffer.concat([Buffer.from(head), Buffer.alloc(bytes, 'x'), Buffer.from(end)])
  return ['/audio/transcriptions', body, 'multipart/form-data; boundary=XX']
}

const bodies = [
  ['JSON of 300 KB', json, 300_000],
  ['JSON of 1.1 MB', json, 1_100_000],
  ['JSON of 20 MB', json, 20_000_000],
  ['a form of 300 KB', form, 300_000],
  ['a form of 8 MB', form, 8_000_000],
] as const

test.each(bodies)(
  'a refusal of %s is passed on each time, and not held against the upstream',
  async (_, body, bytes) => {
    const upstream = fork(refusing)
    try {
      const [port] = (await once(upstream, 'message')) as [number]
      const url = `http://127.0.0.1:${port}/v1`
      await using gateway = await openTestGateway(
        {
          deployments: [deployment('a', [url])],
          providers: [provider('cloud', 'http://a.invalid/v1', { proxyUrl: `http://127.0.0.1:${port}` })],
          routes: [route('direct', ['dep_a'], { fallback: ['pmd_cloud'] }), route('proxied', ['pmd_cloud'])],
        },
        { maxRequestBytes },
      )
      for (const model of ['direct', 'proxied']) {
        const [path, bytesOfBody, type] = body(model, bytes)
        for (let i = 0; i < times; i++) {
          const answer = await gateway.post(path, bytesOfBody, { 'content-type': type })
          expect(answer.status).toBe(413)
          expect(await answer.text()).toBe('{"error":{"code":"too_big"}}')
          expect(answer.headers.get('x-signalbox-attempts')).toBe('1')
          expect(answer.headers.has('x-signalbox-fallback')).toBe(false)
        }
        expect((await gateway.post('/chat/completions', { model })).status).toBe(200)
      }
      for (const id of ['end_a_0', 'pmd_cloud'])
        expect(gateway.gateway.live.healthOf(id)).toMatchObject({ circuit: 'CLOSED', consecutiveFailures: 0 })
      expect(gateway.records.filter(({ status }) => status === 413)).toHaveLength(2 * times)
    } finally {
      upstream.kill()
    }
  },
)
