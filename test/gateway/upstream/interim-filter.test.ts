import { array, assert, constantFrom, nat, property } from 'fast-check'
import { expect, test } from 'vitest'
import { InterimFilter } from '../../../src/gateway/upstream/interim-filter.ts'

function passed(pieces: readonly string[]): string {
  const filter = new InterimFilter()
  filter.expectAnswer()
  return pieces.map((piece) => filter.take(Buffer.from(piece, 'latin1'))?.toString('latin1') ?? '').join('')
}

const interim = constantFrom(
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 102 \r\nx-a: 1\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nlink: </b>\r\n\r\n',
)
const rest = constantFrom(
  'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi',
  'HTTP/1.1 101 Switching\r\n\r\n',
  'HTTP/1.0 100 Continue\r\n\r\n',
  'nonsense',
  'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n',
)

test('informational answers before an answer are taken away, and nothing else is, whatever the pieces', () => {
  assert(
    property(array(interim, { maxLength: 4 }), rest, array(nat(200), { maxLength: 6 }), (some, last, cuts) => {
      const whole = some.join('') + last
      const at = [0, ...cuts.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b), whole.length]
      expect(passed(at.slice(1).map((end, i) => whole.slice(at[i], end)))).toBe(last)
    }),
  )
})

test('no more than 64 KiB of them are taken away', () => {
  const one = `HTTP/1.1 103 Early Hints\r\nx: ${'x'.repeat(1_000)}\r\n\r\n`
  expect(passed(Array.from({ length: 100 }, () => one)).length).toBeGreaterThan(30_000)
  expect(passed([`HTTP/1.1 103 ${'x'.repeat(70_000)}`]).length).toBeGreaterThan(70_000)
})
