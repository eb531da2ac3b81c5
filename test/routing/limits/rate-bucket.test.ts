import { expect, test } from 'vitest'
import { LeasedShare } from '../../../src/routing/limits/leased-share.ts'
import type { RateLimit } from '../../../src/routing/limits/limit.ts'
import { RateBucket } from '../../../src/routing/limits/rate-bucket.ts'

const requestsOnly: RateLimit = {
  id: 'lim_test',
  subject: { kind: 'INSTALLATION' },
  per: [],
  requestsPerMinute: 6_000,
  tokensPerMinute: null,
  inFlight: null,
  burst: 100,
  enforcement: 'ENFORCE',
}
const demand = { tokens: 10 }

/** Each question of a turn is granted what it needs. */
function turn(bucket: RateBucket, atMs: number) {
  const turns = bucket.turn(1, atMs)
  for (const { ask, answer } of turns) answer({ granted: ask.need, left: ask.burst - ask.held - ask.need }, atMs)
  return turns.map(({ ask }) => ask)
}

function askOf(bucket: RateBucket, unit: string, atMs: number) {
  return turn(bucket, atMs).find((ask) => ask.unit === unit)!
}

test('a bound on requests at the same time counts those that were under way when it was set, and none twice when they end', () => {
  const bucket = new RateBucket(requestsOnly, '')
  bucket.wait(demand, 1)
  bucket.wait(demand, 1)
  turn(bucket, 1_000)
  bucket.wait(demand, -1)
  bucket.wait(demand, -1)
  bucket.take(demand, 1_000)
  bucket.take(demand, 1_000)
  bucket.follow({ ...requestsOnly, inFlight: 2 })
  expect(askOf(bucket, 'IN_FLIGHT', 1_100)).toMatchObject({ inUse: 2, held: 2 })
  expect(bucket.judge(demand, 1_101)).not.toBe('ROOM')
  bucket.settle(0, 0)
  bucket.settle(0, 0)
  expect(bucket.places!.inUse).toBe(0)
  // The bound is taken away and set again while a request is under way.
  bucket.take(demand, 1_200)
  bucket.follow(requestsOnly)
  bucket.follow({ ...requestsOnly, inFlight: 2 })
  bucket.settle(0, 0)
  expect(askOf(bucket, 'IN_FLIGHT', 1_300)).toMatchObject({ inUse: 0, held: 0 })
})

test('a bound on tokens that is set while a request waits asks for what later requests need', () => {
  const bucket = new RateBucket(requestsOnly, '')
  bucket.wait(demand, 1)
  bucket.follow({ ...requestsOnly, tokensPerMinute: 6_000 })
  bucket.wait(demand, -1)
  bucket.wait(demand, 1)
  expect(askOf(bucket, 'TOKENS', 1_000).need).toBe(10)
})

test('what was kept for the next requests is not claimed when its lease has ended: others may have it', () => {
  const share = new LeasedShare()
  share.take(1, 1_000)
  share.answer({ granted: 5, free: 0 }, 1_000, 5_000)
  // Away, it goes on alone, up to behind the end of the lease.
  share.goOn(3)
  share.take(1, 6_500)
  share.comeBack()
  expect(share.ask(0, 5, 6_600)).toMatchObject({ inUse: 2, held: 2 })
})
