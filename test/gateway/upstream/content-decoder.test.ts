import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { ContentDecoder, type DecodedReceiver } from '../../../src/gateway/upstream/content-decoder.ts'
import { until } from '../../support/until.ts'

/** Throws at the step of that name. */
class FaultyReceiver implements DecodedReceiver {
  readonly faults: unknown[] = []
  readonly #faulty: keyof DecodedReceiver

  constructor(faulty: keyof DecodedReceiver) {
    this.#faulty = faulty
  }

  onDecoded = () => this.#throwAt('onDecoded')
  onDecodedEnd = () => this.#throwAt('onDecodedEnd')
  onUndecodable = () => this.#throwAt('onUndecodable')

  fail(error: unknown): void {
    this.faults.push(error)
  }

  #throwAt(step: keyof DecodedReceiver): void {
    if (step === this.#faulty) throw new Error(step)
  }
}

const body = gzipSync('hello')

test.each([
  ['onDecoded', body],
  ['onDecodedEnd', body],
  ['onUndecodable', Buffer.from('no gzip at all')],
  ['onUndecodable', body.subarray(0, -1)],
] as const)('what %s throws is told to its receiver, and ends nothing else', async (step, bytes) => {
  const receiver = new FaultyReceiver(step)
  const decoder = new ContentDecoder('gzip', receiver)
  decoder.write(bytes, () => {})
  decoder.end()
  await until(() => receiver.faults.length > 0)
  expect(receiver.faults).toEqual([new Error(step)])
})

test('what goes on when there is room again is guarded, too', async () => {
  const receiver = new FaultyReceiver('fail')
  const decoder = new ContentDecoder('gzip', receiver)
  const isRoomy = decoder.write(gzipSync(randomBytes(512 * 1024)), () => {
    throw new Error('drained')
  })
  expect(isRoomy).toBe(false)
  await until(() => receiver.faults.length > 0)
  expect(receiver.faults).toEqual([new Error('drained')])
  decoder.close()
})
