import { expect, test } from 'vitest'
import { readAnswerHead } from '../../../../src/gateway/http1/client/answer-head.ts'

const read = (...lines: string[]) => readAnswerHead(`HTTP/1.1 200 OK\r\n${lines.join('\r\n')}\r\n`)!

const headers = ['openai-version: hop', 'Retry-After: 7', 'request-id: end']

test.each<[string, readonly string[]]>([
  ['before them', ['Connection: keep-alive, OpenAI-Version ,retry-after', ...headers]],
  ['behind them', [...headers, 'Connection: openai-version,Retry-After']],
  ['among them', [headers[0]!, 'connection:\tretry-after,\topenai-version', ...headers.slice(1)]],
  ['in several lines', ['Connection: openai-version', ...headers, 'connection: close', 'Connection: retry-after']],
])('headers that Connection lists do not pass: it stands %s', (_, lines) => {
  const head = read(...lines)
  expect(head.passed).toEqual(['request-id', 'end'])
  // The gateway itself was meant to read them.
  expect(head.retryAfter).toBe('7')
})

test.each(['keep-alive', 'Close', 'close, keep-alive', 'upgrade', '', ' , '])(
  'headers pass that Connection does not list: %s',
  (connection) => {
    const head = read(`connection: ${connection}`, ...headers)
    expect(head.passed).toEqual(['openai-version', 'hop', 'retry-after', '7', 'request-id', 'end'])
    expect(head.connection).toBe(connection.trim())
  },
)

test('a value like a listed name passes, and the framing of the body is read whatever is listed', () => {
  const head = read('content-length: 3', 'content-language: date', 'connection: date, content-length', 'date: x')
  expect(head.passed).toEqual(['content-language', 'date'])
  expect(head.contentLength).toBe(3)
})

test('a head of many Connection headers is read in one go', () => {
  const lines = Array.from({ length: 50_000 }, (_, i) => `connection: x-${i}`)
  expect(read(...lines, ...headers, 'connection: retry-after').passed).toHaveLength(4)
})
