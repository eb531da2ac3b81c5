import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { AnswerBytes } from '../../../src/gateway/answer/bytes.ts'

const bytes = Buffer.from(Array.from({ length: 60_000 }, (_, at) => String.fromCharCode(0x30 + (at % 73))).join(''))

test('the same first and last bytes are kept however an answer is cut', () => {
  const size = fc.oneof(
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ max: 300, min: 1 }),
    fc.integer({ max: 9000, min: 1 }),
  )
  fc.assert(
    fc.property(fc.nat(bytes.length), fc.array(size, { minLength: 1, maxLength: 40 }), (length, sizes) => {
      const kept = new AnswerBytes()
      for (let at = 0, i = 0; at < length; i++) {
        // However many pieces there are, the next one is not empty for ever.
        const end = Math.min(length, at + (sizes[i % sizes.length]! || (i % 7 === 0 ? 1 : 0)))
        kept.add(bytes.subarray(at, end))
        at = end
      }
      const text = bytes.toString('latin1', 0, length)
      expect(kept.total).toBe(length)
      expect(kept.head()).toBe(text.slice(0, 4096))
      expect(kept.tail()).toBe(text.slice(4096).slice(-16_384))
    }),
  )
})
