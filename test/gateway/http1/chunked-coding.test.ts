import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ChunkedDecoder } from '../../../src/gateway/http1/chunked-coding.ts'

/** The body that comes of these pieces, what is left behind it, and how it ended. */
function decode(pieces: readonly Buffer[]): { body: string; rest: string; isOver: boolean; isBroken: boolean } {
  const decoder = new ChunkedDecoder()
  const parts: Buffer[] = []
  let rest = ''
  for (const piece of pieces) {
    const end = decoder.push(piece, 0, { onBody: (part) => void parts.push(part) })
    rest += decoder.isBroken ? '' : piece.toString('latin1', end)
  }
  return {
    body: Buffer.concat(parts).toString('latin1'),
    rest,
    isOver: decoder.isOver,
    isBroken: decoder.isBroken,
  }
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end))
}

const chunk = fc.record({
  data: fc.string({ minLength: 1, maxLength: 40 }),
  extension: fc.constantFrom('', ';a', ';a=b;c', ';name="a \\" value;\t"', ';a="";b=c'),
  isUpper: fc.boolean(),
})

test('whatever the chunks and wherever they are cut, the body is what was sent, and what follows is left', () => {
  fc.assert(
    fc.property(
      fc.array(chunk),
      fc.constantFrom('', 'x-checksum: 1\r\n', 'a: b\r\nc: d\r\n'),
      fc.array(fc.nat()),
      (chunks, trailers, places) => {
        const coded = chunks.map(({ data, extension, isUpper }) => {
          const bytes = Buffer.from(data)
          const size = bytes.length.toString(16)
          return Buffer.concat([
            Buffer.from(`${isUpper ? size.toUpperCase() : size}${extension}\r\n`),
            bytes,
            Buffer.from('\r\n'),
          ])
        })
        const whole = Buffer.concat([...coded, Buffer.from(`0\r\n${trailers}\r\nGET /next`)])
        expect(decode(cut(whole, places))).toEqual({
          body: Buffer.from(chunks.map(({ data }) => data).join('')).toString('latin1'),
          rest: 'GET /next',
          isOver: true,
          isBroken: false,
        })
      },
    ),
  )
})

test.each([
  ['no size', '\r\n'],
  ['a size that is no number', 'xyz\r\n'],
  ['a sign before the size', '+5\r\nhello\r\n'],
  ['a size in the form of a language', '0x5\r\nhello\r\n'],
  ['a size beyond all bounds', 'fffffffffffffffff\r\n'],
  ['a bare line feed behind the size', '5\nhello\r\n'],
  ['data longer than its size', '5\r\nhello!\r\n'],
  ['a bare line feed behind the data', '5\r\nhello\n0\r\n\r\n'],
  ['a line feed in an extension', '5;a\nhello\r\n'],
  ['a blank behind the size', '5 \r\nhello\r\n'],
  ['a tab behind the size', '5\t;a\r\nhello\r\n'],
  ['a blank in an extension', '5;a =b\r\nhello\r\n'],
  ['an extension without a name', '5;\r\nhello\r\n'],
  ['text behind a quoted value', '5;a="b"c\r\nhello\r\n'],
  ['a quoted value that does not end', '5;a="b\r\nhello\r\n'],
  ['a control character in an extension', '5;a=\x01\r\nhello\r\n'],
  ['a blank in the name of a trailer', '0\r\na b: c\r\n\r\n'],
  ['a control character in a trailer', '0\r\na: \x00\r\n\r\n'],
  ['extensions without end', `5;${'a'.repeat(20_000)}`],
  ['trailers without end', `0\r\n${'a: b\r\n'.repeat(5_000)}`],
  ['a trailer that is folded', '0\r\na: b\r\n c\r\n\r\n'],
  ['a trailer without a colon', '0\r\nGET / HTTP/1.1\r\n\r\n'],
  ['a trailer without a name', '0\r\n: b\r\n\r\n'],
  ['a carriage return alone in a trailer', '0\r\na: b\rc\r\n\r\n'],
])('%s is refused, wherever it is cut', (_, text) => {
  expect(decode([Buffer.from(text)]).isBroken).toBe(true)
  expect(decode([...Buffer.from(text)].map((byte) => Buffer.from([byte]))).isBroken).toBe(true)
})
