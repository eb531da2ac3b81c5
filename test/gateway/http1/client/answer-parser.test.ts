import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AnswerHead } from '../../../../src/gateway/http1/client/answer-head.ts'
import { AnswerParser, type AnswerProgress } from '../../../../src/gateway/http1/client/answer-parser.ts'

interface Read {
  readonly heads: AnswerHead[]
  readonly body: string
  readonly progress: AnswerProgress
  readonly hasSurplus: boolean
  readonly isPersistent: boolean
  /** Whether it is whole if the connection ends now. */
  readonly endsWhole: boolean
}

function read(pieces: readonly Buffer[]): Read {
  const heads: AnswerHead[] = []
  const body: Buffer[] = []
  const parser = new AnswerParser({
    onHead: (head) => void heads.push(head),
    onBody: (chunk) => void body.push(chunk),
  })
  let progress: AnswerProgress = 'more'
  for (const piece of pieces) if (progress !== 'malformed') progress = parser.push(piece)
  const { hasSurplus, isPersistent } = parser
  const text = Buffer.concat(body).toString('latin1')
  const endsWhole = progress !== 'malformed' && parser.endOfConnection()
  return { heads, body: text, progress, hasSurplus, isPersistent, endsWhole }
}

const readText = (text: string) => read([Buffer.from(text, 'latin1')])
const readBytewise = (text: string) => read(Array.from(text, (byte) => Buffer.from(byte, 'latin1')))

/** Cuts bytes at the given places, whatever they are. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...ends]
    .map((start, i) => bytes.subarray(start, ends[i] ?? bytes.length))
    .filter(({ length }) => length > 0)
}

const text = fc.string({ unit: fc.constantFrom('a', 'Z', ' ', '\t', ':', ',', '"', '\xe9', '1'), maxLength: 12 })
const header = fc.tuple(
  fc.constantFrom('content-type', 'Content-Type', 'X-RateLimit-Limit', 'RETRY-AFTER', 'set-cookie', 'x-A!~', 'date'),
  text,
)
const headerLines = fc
  .array(header, { maxLength: 6 })
  .map((headers) => headers.map(([name, value]) => `${name}:${value}\r\n`).join(''))
const bytes = fc.string({ unit: fc.constantFrom('x', '\r', '\n', '0', ';', '\0', '\xff'), maxLength: 40 })
const hints = fc.array(
  fc.constantFrom(
    'HTTP/1.1 100 Continue\r\n\r\n',
    'HTTP/1.1 103 Early Hints\r\nlink: <a>\r\nretry-after: 9\r\n\r\n',
    'HTTP/1.1 102\r\n\r\n',
  ),
  { maxLength: 2 },
)

function chunked(pieces: readonly string[], extension: string, trailers: string): string {
  const chunks = pieces
    .filter((piece) => piece !== '')
    .map((piece) => `${piece.length.toString(16).padStart(3, '0')}${extension}\r\n${piece}\r\n`)
  return `${chunks.join('')}0${extension}\r\n${trailers}\r\n`
}

const extension = fc.constantFrom('', ';a', ';a="b\\"c\xe9"')

/** Headers that frame a body, the body as it is framed, and what it is. */
const framed = fc.oneof(
  bytes.map((body) => ({ lines: `Content-Length: ${body.length}\r\n`, wire: body, body, isOpen: false })),
  bytes.map((body) => ({ lines: '', wire: body, body, isOpen: true })),
  fc.tuple(fc.array(bytes, { maxLength: 5 }), extension, headerLines).map(([pieces, ext, trailers]) => ({
    lines: 'Transfer-Encoding: Chunked\r\n',
    wire: chunked(pieces, ext, trailers),
    body: pieces.join(''),
    isOpen: false,
  })),
)

test('an answer is read the same wherever it is cut', () => {
  fc.assert(
    fc.property(
      hints,
      fc.constantFrom('200 OK', '200', '200 ', '429 Too \xe9', '599 x'),
      headerLines,
      framed,
      fc.array(fc.nat(), { maxLength: 10 }),
      (before, status, lines, { lines: framing, wire, body, isOpen }, places) => {
        const whole = Buffer.from(`${before.join('')}HTTP/1.1 ${status}\r\n${lines}${framing}\r\n${wire}`, 'latin1')
        const result = read(cut(whole, places))
        expect(result).toEqual(read([whole]))
        expect(result).toMatchObject({ body, progress: isOpen ? 'more' : 'whole', hasSurplus: false, endsWhole: true })
        expect(result.isPersistent).toBe(!isOpen)
        expect(result.heads).toHaveLength(1)
        expect(result.heads[0]!.status).toBe(Number(status.slice(0, 3)))
        expect(read(cut(whole, Array.from(whole.keys())))).toEqual(result)
      },
    ),
    { numRuns: 2_000 },
  )
})

test('an answer that ends early is not whole, wherever it ends', () => {
  fc.assert(
    fc.property(headerLines, framed, fc.nat(), (lines, { lines: framing, wire, isOpen }, place) => {
      fc.pre(!isOpen)
      const whole = Buffer.from(`HTTP/1.1 200 OK\r\n${lines}${framing}\r\n${wire}`, 'latin1')
      expect(read([whole.subarray(0, place % whole.length)])).toMatchObject({ progress: 'more', endsWhole: false })
    }),
    { numRuns: 1_000 },
  )
})

test('whatever comes, it is read the same wherever it is cut, and nothing throws', () => {
  const part = fc.constantFrom(
    'HTTP/1.1 200 OK',
    'HTTP/1.0 204',
    '\r\n',
    '\r',
    '\n',
    'content-length: 3',
    'transfer-encoding: chunked',
    'connection: close',
    'abc',
    '3',
    '0',
    ';x',
    ' ',
    '\0',
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 14 }), fc.array(fc.nat(), { maxLength: 8 }), (parts, places) => {
      const whole = Buffer.from(`HTTP/1.1 200 OK\r\n${parts.join('')}`, 'latin1')
      expect(factsOf(read(cut(whole, places)))).toEqual(factsOf(read([whole])))
    }),
    { numRuns: 3_000 },
  )
})

/** How much of what is refused was told before depends on where it was cut. */
function factsOf({ progress, body, hasSurplus }: Read): Partial<Read> {
  return progress === 'malformed' ? { progress } : { progress, body, hasSurplus }
}

const ok = 'HTTP/1.1 200 OK\r\n'
const chunks = `${ok}transfer-encoding: chunked\r\n\r\n`

test.each([
  ['no HTTP', 'hello\r\n\r\n'],
  ['no HTTP, without an end', 'SSH-2.0-x\r\n'],
  ['an empty line first', `\r\n${ok}\r\n`],
  ['another version', 'HTTP/2.0 200 OK\r\n\r\n'],
  ['a version in lower case', 'http/1.1 200 OK\r\n\r\n'],
  ['no status', 'HTTP/1.1 OK\r\n\r\n'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
  ['a status below 100', 'HTTP/1.1 099 OK\r\n\r\n'],
  ['two spaces before the status', 'HTTP/1.1  200 OK\r\n\r\n'],
  ['another protocol that nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n'],
  ['a folded header', `${ok}x-a: 1\r\n 2\r\n\r\n`],
  ['a first header that is folded', `${ok} x-a: 1\r\n\r\n`],
  ['white space before a colon', `${ok}content-length : 1\r\n\r\nx`],
  ['a header without a name', `${ok}: 1\r\n\r\n`],
  ['a header without a colon', `${ok}x-a\r\n\r\n`],
  ['a name with a control character', `${ok}x\0a: 1\r\n\r\n`],
  ['a value with NUL', `${ok}x-a: 1\0\r\n\r\n`],
  ['a value with CR', `${ok}x-a: 1\rx-b: 2\r\n\r\n`],
  ['a value with LF', `${ok}x-a: 1\nx-b: 2\r\n\r\n`],
  ['a reason with LF', 'HTTP/1.1 200 OK\nx: y\r\n\r\n'],
  ['two lengths', `${ok}content-length: 1\r\ncontent-length: 2\r\n\r\nxx`],
  ['a list of lengths', `${ok}content-length: 1, 1\r\n\r\nx`],
  ['a negative length', `${ok}content-length: -1\r\n\r\n`],
  ['a length with a sign', `${ok}content-length: +1\r\n\r\nx`],
  ['a length in hexadecimal', `${ok}content-length: 0x1\r\n\r\nx`],
  ['an empty length', `${ok}content-length:\r\n\r\n`],
  ['a length that no number holds', `${ok}content-length: 9007199254740993\r\n\r\n`],
  ['a length and chunks', `${ok}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['another coding', `${ok}transfer-encoding: gzip\r\n\r\n`],
  ['another coding before chunked', `${ok}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  ['chunked twice', `${ok}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a chunk without a size', `${chunks}\r\n`],
  ['an extension without a size', `${chunks};a\r\n`],
  ['a size that is no number', `${chunks}g\r\n`],
  ['a size with a prefix', `${chunks}0x1\r\nx\r\n`],
  ['a negative size', `${chunks}-1\r\n`],
  ['a size that no number holds', `${chunks}fffffffffffff\r\n`],
  ['a size that ends in LF', `${chunks}1\nx\r\n`],
  ['a size with CR and no LF', `${chunks}1\rx\r\n`],
  ['a chunk that is longer than its size', `${chunks}1\r\nxx\r\n`],
  ['a chunk that ends in LF', `${chunks}1\r\nx\n0\r\n\r\n`],
  ['an extension with LF', `${chunks}1;a\nb\r\nx\r\n`],
  ['an extension without end', `${chunks}1;${'a'.repeat(20_000)}`],
  ['a trailer that is folded', `${chunks}0\r\na: b\r\n c\r\n\r\n`],
  ['a trailer without a colon', `${chunks}0\r\nHTTP/1.1 200 OK\r\n\r\n`],
  ['trailers without end', `${chunks}0\r\n${'a: b\r\n'.repeat(12_000)}`],
  ['a head without end', `${ok}${'x-a: b\r\n'.repeat(9_000)}`],
  ['a line without end', `${ok}x-a: ${'b'.repeat(70_000)}`],
])('%s is refused', (_, answer) => {
  expect(readText(answer).progress).toBe('malformed')
  expect(readBytewise(answer).progress).toBe('malformed')
})

test.each([
  ['no body with 204', 'HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n', ''],
  ['no body with 304', 'HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n', ''],
  ['the same length twice', `${ok}content-length: 1\r\nContent-Length: 01\r\n\r\nx`, 'x'],
  ['no chunks but the last', `${chunks}0\r\n\r\n`, ''],
  [
    'sizes in either case with leading zeros',
    `${chunks}00A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n`,
    '01234567890123456789',
  ],
  ['HTTP/1.0 that is kept alive', 'HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 1\r\n\r\nx', 'x'],
])('%s is an answer after which another may come', (_, answer, body) => {
  expect(readText(answer)).toMatchObject({ progress: 'whole', body, isPersistent: true, hasSurplus: false })
})

test.each([
  ['connection: close', `${ok}connection: close\r\ncontent-length: 1\r\n\r\nx`],
  ['close in a list', `${ok}connection: a, CLOSE\r\nconnection: b\r\ncontent-length: 1\r\n\r\nx`],
  ['HTTP/1.0', 'HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx'],
  ['more bytes than the answer', `${ok}content-length: 1\r\n\r\nxy`],
  ['another answer', `${chunks}1\r\nx\r\n0\r\n\r\n${ok}\r\n`],
])('%s: no other answer may follow', (_, answer) => {
  expect(readText(answer)).toMatchObject({ progress: 'whole', body: 'x', isPersistent: false })
})

test('of the headers only what is of use is kept, in the order in which it came', () => {
  const lines = [
    'Content-Type:\t text/event-stream; charset=utf-8 \t',
    'content-encoding: identity',
    'Server: x',
    'X-RateLimit-Remaining: 1',
    'x-ratelimit-remaining: 2',
    'ANTHROPIC-RATELIMIT-TOKENS-LIMIT: 3',
    'Set-Cookie: a=b',
    'retry-after: 4',
    'Retry-After: 5',
    'X-Request-Id: theirs',
    'Keep-Alive: timeout=5',
    'openai-version: caf\xe9\xa0',
    'Content-Length: 0',
  ]
  const [head] = readText(`${ok}${lines.join('\r\n')}\r\n\r\n`).heads
  expect(head).toEqual({
    status: 200,
    passed: [
      ['content-type', 'text/event-stream; charset=utf-8', 'content-encoding', 'identity'],
      ['retry-after', '4', 'retry-after', '5', 'openai-version', 'caf\xe9\xa0'],
    ].flat(),
    contentType: 'text/event-stream; charset=utf-8',
    encoding: '',
    contentLength: 0,
    requestId: 'theirs',
    retryAfter: '4',
    hasDate: false,
    connection: '',
    transferEncoding: null,
    keepAlive: 'timeout=5',
  })
  expect(readText(`${ok}content-encoding: gzip\r\ndate: x\r\n\r\n`).heads[0]).toMatchObject({
    encoding: 'gzip',
    hasDate: true,
    contentLength: null,
  })
})

test('parts of a body are the bytes that came, not copies', () => {
  const bytes = Buffer.from(`${chunks}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`)
  const parts: Buffer[] = []
  new AnswerParser({ onHead: () => {}, onBody: (part) => void parts.push(part) }).push(bytes)
  expect(parts.map(String)).toEqual(['abc', 'de'])
  expect(parts.every(({ buffer }) => buffer === bytes.buffer)).toBe(true)
})

test('an empty Transfer-Encoding tells no body', () => {
  const head = 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\n'
  expect(readText(`${head}transfer-encoding:\r\n\r\na`).progress).toBe('malformed')
  expect(readText(`${head}\r\na`)).toMatchObject({ progress: 'whole', body: 'a' })
})
