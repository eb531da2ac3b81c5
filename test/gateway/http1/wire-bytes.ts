/** Bytes that are HTTP/1.1, nearly HTTP/1.1, or not at all: for programs that read them to be compared. */
import * as fc from 'fast-check'

const name = fc.constantFrom('x-a', 'X-B', 'accept', 'x-request-id', 'te')
const value = fc.constantFrom('1', ' padded \t', 'a, b', '"quoted"', 'caf\xe9', '')
const header = fc.tuple(name, value).map(([left, right]) => `${left}: ${right}`)
const data = fc.stringMatching(/^[ -~]{1,30}$/)
const extension = fc.constantFrom('', ';a', ';a=b', ';a="b c"', ';a=b;c')
const trailer = fc.constantFrom('', 'x-t: 1\r\n', 'a: b\r\nc: d\r\n')

/** A body, with the headers that say how long it is. */
const sized = data.map((text) => ({ headers: [`content-length: ${text.length}`], bytes: text }))
const chunked = fc.tuple(fc.array(fc.tuple(data, extension), { maxLength: 4 }), trailer).map(([parts, trailers]) => ({
  headers: ['transfer-encoding: chunked'],
  bytes: `${parts.map(([text, ext]) => `${text.length.toString(16)}${ext}\r\n${text}\r\n`).join('')}0\r\n${trailers}\r\n`,
}))
const body = fc.oneof(sized, chunked, fc.constant({ headers: ['content-length: 0'], bytes: '' }))

export const request = fc
  .tuple(fc.constantFrom('/', '/v1/x?a=b'), fc.array(header, { maxLength: 4 }), body)
  .map(
    ([target, headers, { headers: sizes, bytes }]) =>
      `${['POST ' + target + ' HTTP/1.1', 'host: a', ...headers, ...sizes].join('\r\n')}\r\n\r\n${bytes}`,
  )

const interim = fc.constantFrom('', 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n')
const open = data.map((text) => ({ headers: [], bytes: text }))

/** The last of them may end with the connection. */
export const answer = fc
  .tuple(
    interim,
    fc.constantFrom('200 OK', '404 ', '500 Oops'),
    fc.array(header, { maxLength: 4 }),
    fc.oneof(body, open),
  )
  .map(
    ([before, status, headers, { headers: sizes, bytes }]) =>
      `${before}${[`HTTP/1.1 ${status}`, ...headers, ...sizes].join('\r\n')}\r\n\r\n${bytes}`,
  )

/** What readers of HTTP disagree about. */
const poison = fc.constantFrom(
  '\r',
  '\n',
  '\r\n',
  ' ',
  '\t',
  '\0',
  ':',
  ';',
  '0',
  '1',
  'f',
  'g',
  '"',
  '\\',
  ',',
  '\x7f',
  '\x0b',
  '\xff',
  '\r\n ',
  '\r\n\t',
  '\r\n\r\n',
  ' \r\n',
  ' :',
  'chunked',
  'content-length: 3\r\n',
  'transfer-encoding: chunked\r\n',
  'host: b\r\n',
  '+',
  '-',
  '0x',
  ';a="\n"',
  'HTTP/1.0',
  'HTTP/1.1',
  'close',
  'connection: close\r\n',
)

interface Mutation {
  readonly at: number
  readonly removed: number
  readonly added: string
}

const mutation = fc.record({ at: fc.nat(400), removed: fc.nat(3), added: fc.oneof(fc.constant(''), poison) })

function mutate(text: string, { at, removed, added }: Mutation): string {
  const place = at % (text.length + 1)
  return text.slice(0, place) + added + text.slice(place + removed)
}

/** Several of them behind each other, whole or damaged in a few places. */
export function damaged(messages: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(fc.array(messages, { minLength: 1, maxLength: 3 }), fc.array(mutation, { maxLength: 3 }))
    .map(([list, mutations]) => mutations.reduce(mutate, list.join('')))
}

/** Where the bytes are cut into pieces. */
export const cuts = fc.array(fc.nat(600), { maxLength: 6 })

export function cut(text: string, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (text.length + 1)).sort((a, b) => a - b), text.length]
  return at.slice(1).map((end, i) => Buffer.from(text.slice(at[i], end), 'latin1'))
}
