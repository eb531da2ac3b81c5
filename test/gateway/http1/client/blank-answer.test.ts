/** White space that comes long before an answer: some servers send it to show that they are at work. */
import type { ServerResponse } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { streamProtocolOf } from '../../../../src/gateway/protocol/protocol-of.ts'
import { type CallOpening, UpstreamCall } from '../../../../src/gateway/upstream/call.ts'
import { UpstreamConnections } from '../../../../src/gateway/upstream/connections.ts'
import { findOperation } from '../../../../src/routing/vendors/operation.ts'
import { until } from '../../../support/until.ts'
import { openUpstream } from '../../../support/upstream.ts'

const opened: AsyncDisposable[] = []
afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource[Symbol.asyncDispose]()
})

/** A plain call whose answer has begun with a blank line. */
async function callWithBlank() {
  const responses: ServerResponse[] = []
  const upstream = await openUpstream({
    script:
      () =>
      ({ response }) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        response.write('\n')
        responses.push(response)
      },
  })
  const connections = new UpstreamConnections(() => true)
  opened.push(connections, upstream)
  const openings: CallOpening[] = []
  const timeouts = { connectMs: 60_000, firstByteMs: 60_000, answerMs: 60_000, idleMs: 60_000 }
  const protocol = streamProtocolOf(findOperation('/v1/chat/completions')!)
  const call = new UpstreamCall(
    { timeouts, leftMs: 600_000, wantsStream: false, protocol },
    {
      onOpening: (_, opening) => void openings.push(opening),
      onBytes: () => {},
      onFault: (error) => {
        throw error
      },
    },
  )
  const body = [Buffer.from('{}')]
  const request = { origin: upstream.origin, target: '/v1/chat/completions', headers: 'host: a\r\n', body, length: 2 }
  call.send(connections.toDeployment(upstream.origin), request)
  await until(() => call.peekChunks().length > 0)
  return { call, openings, response: responses[0]! }
}

test('it is held back for longer than what may be an error, so that an error behind it is none of an answer', async () => {
  const { call, openings, response } = await callWithBlank()
  call.checkDeadlines(performance.now() + 5_000)
  response.end('{"error":{"message":"out of memory"}}')
  await until(() => openings.length > 0)
  expect([openings, call.isComplete, Buffer.concat(call.peekChunks()).toString()]).toEqual([
    ['answering'],
    true,
    '\n{"error":{"message":"out of memory"}}',
  ])
})

test('behind it, what may be an error has its usual time, and no more', async () => {
  const { call, openings, response } = await callWithBlank()
  response.write('{"id":1,')
  await until(() => call.peekChunks().length > 1)
  call.checkDeadlines(performance.now() + 1_500)
  await until(() => openings.length > 0)
  expect([openings, call.isComplete]).toEqual([['answering'], false])
  call.abandon()
})

test('in the end it goes on to the client, who can see that it is waited for', async () => {
  const { call, openings } = await callWithBlank()
  call.checkDeadlines(performance.now() + 11_000)
  await until(() => openings.length > 0)
  expect([openings, call.isComplete]).toEqual([['answering'], false])
  call.abandon()
})
