/** Errors in the place of an answer that come in pieces, late, or compressed; and answers that are no errors although they begin alike. */
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import type { Reply } from '../../support/exchange.ts'
import { chunks, inPiecesOf, raw } from '../../support/replies.ts'
import { openUpstream } from '../../support/upstream.ts'
import { deployment, openTestGateway, provider, route, type TestGateway } from '../support/open-test-gateway.ts'
import { sampleRequests, streamedRequests } from '../support/sample-requests.ts'

const error = { error: { message: 'the model crashed', type: 'server_error', code: 500 } }
const errors = {
  'of an object that begins like an answer': { id: 'x', object: 'chat.completion', created: 1, model: 'm', ...error },
  'beside empty results': { choices: [], data: null, usage: { prompt_tokens: 0 }, ...error },
  'behind what the client wrote': { metadata: { a: ['"choices":[{"index":0}]'] }, ...error },
  'in a list': [error],
  'that is true': { error: true, message: 'the model crashed' },
}

/** The route `chat`: an upstream that answers so, with a fallback. */
async function withFallback<T>(reply: Reply, ask: (gateway: TestGateway) => Promise<T>): Promise<T> {
  await using failing = await openUpstream({ script: () => reply })
  await using spare = await openUpstream({ name: 'spare' })
  await using gateway = await openTestGateway({
    deployments: [deployment('main', [failing.baseUrl])],
    providers: [provider('spare', spare.baseUrl)],
    routes: [route('chat', ['dep_main'], { fallback: ['pmd_spare'] })],
  })
  return await ask(gateway)
}

const request = { model: 'chat', messages: [] }

test.each(Object.entries(errors))('an error %s is none, in whatever pieces it comes', async (_, body) => {
  const text = JSON.stringify(body)
  for (const length of [Math.ceil(text.length / 8), Math.ceil(text.length / 2), text.length - 1]) {
    await withFallback(chunks(inPiecesOf(length, text)), async (gateway) => {
      const answer = await gateway.post('/chat/completions', request)
      expect([length, answer.status, answer.headers.get('x-signalbox-fallback')]).toEqual([length, 200, 'server_error'])
      expect(await answer.text()).toContain('spare')
      expect(gateway.records[0]!.attempts).toMatchObject([
        { status: 200, trigger: 'SERVER_ERROR', error: 'the model crashed' },
        { trigger: null },
      ])
    })
  }
})

test.each(
  [...sampleRequests, ...streamedRequests].map(
    (sample) => [`${sample.operation} ${String(sample.stream)}`, sample] as const,
  ),
)('%s: an error in two reads moves on', async (_, sample) => {
  const text = JSON.stringify({ id: 'x', created: 1, ...error })
  await withFallback(chunks(inPiecesOf(20, text)), async (gateway) => {
    const answer = await sample.send(gateway)
    expect(answer.headers.get('x-signalbox-fallback')).toBe('server_error')
    await answer.arrayBuffer()
  })
})

test('an error that breaks off before it is told, and one whose coding does, are followed by the fallback', async () => {
  const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n'
  const zipped = gzipSync(JSON.stringify({ id: 'x', ...error }))
  const replies = [
    raw([`${head}content-length: 900\r\n\r\n`, '{"id":"x",', '"model":']),
    raw([`${head}content-length: 900\r\n\r\n`, '\n\n\n']),
    raw([`${head}content-encoding: gzip\r\ncontent-length: 30\r\n\r\n`, zipped.subarray(0, 30)], 'open'),
    raw([`${head}content-encoding: gzip\r\ncontent-length: 30\r\n\r\n`, 'x'.repeat(30)], 'open'),
  ]
  for (const reply of replies) {
    await withFallback(reply, async (gateway) => {
      const answer = await gateway.post('/chat/completions', request)
      expect(answer.headers.get('x-signalbox-fallback')).toBe('connect_error')
      await answer.arrayBuffer()
    })
  }
})

test('what begins like an error and is none comes as it was sent', async () => {
  const bodies = [
    JSON.stringify({ error: null, id: 'x', choices: [{ message: { content: 'x'.repeat(300_000) } }] }),
    JSON.stringify({ instructions: 'x'.repeat(200_000), status: 'completed', error: null, output: [] }),
    JSON.stringify({ id: 'x', unknown: 1 }),
    '\n\n\n{"choices":[]}',
    '[]',
  ]
  for (const body of bodies) {
    await withFallback(chunks(inPiecesOf(Math.max(5, Math.floor(body.length / 7)), body)), async (gateway) => {
      const answer = await gateway.post('/chat/completions', request)
      expect(answer.headers.has('x-signalbox-fallback')).toBe(false)
      expect(await answer.text()).toBe(body)
      expect(gateway.records).toMatchObject([{ outcome: 'OK' }])
    })
  }
})
