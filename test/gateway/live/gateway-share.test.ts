import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GatewayShare, lowerCountHoldsAfterMs } from '../../../src/gateway/live/gateway-share.ts'

class Clocked {
  nowMs = 1
  told = 1
  readonly share = new GatewayShare(
    () => this.told,
    () => this.nowMs,
  )

  countAfter(ms: number, told: number): number {
    this.nowMs += ms
    this.told = told
    return this.share.count
  }
}

describe('the number of gateways that share a bound', () => {
  test('grows at once, and falls when it has been lower for a while', () => {
    const clocked = new Clocked()
    expect(clocked.countAfter(0, 1)).toBe(1)
    expect(clocked.countAfter(10, 3)).toBe(3)
    expect(clocked.countAfter(10, 1)).toBe(3)
    expect(clocked.countAfter(lowerCountHoldsAfterMs - 1, 1)).toBe(3)
    expect(clocked.countAfter(2, 1)).toBe(1)
  })

  test('stays when others are heard of again, as after the database was away', () => {
    const clocked = new Clocked()
    clocked.countAfter(0, 2)
    for (let i = 0; i < 20; i++) {
      expect(clocked.countAfter(3_000, 1)).toBe(2)
      expect(clocked.countAfter(1_000, 2)).toBe(2)
    }
  })

  test('falls to the largest that was told meanwhile, and not to the last', () => {
    const clocked = new Clocked()
    clocked.countAfter(0, 5)
    clocked.countAfter(10, 1)
    clocked.countAfter(10, 3)
    expect(clocked.countAfter(lowerCountHoldsAfterMs, 2)).toBe(3)
  })

  test('is never lower than what was told within the time that a lower one must hold', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 4_000 }), fc.integer({ min: 0, max: 6 })), {
      maxLength: 60,
    })
    fc.assert(
      fc.property(steps, (sequence) => {
        const clocked = new Clocked()
        const told: { atMs: number; count: number }[] = []
        for (const [ms, count] of sequence) {
          const shared = clocked.countAfter(ms, count)
          told.push({ atMs: clocked.nowMs, count })
          const recent = told.filter(({ atMs }) => clocked.nowMs - atMs < lowerCountHoldsAfterMs)
          expect(shared).toBeGreaterThanOrEqual(Math.max(...recent.map((earlier) => earlier.count)))
        }
      }),
    )
  })

  test.each([
    [100, 2, 50],
    [10, 4, 2],
    [3, 5, 1],
  ])('gives each of a bound of %i among %i: %i', (bound, gateways, expected) => {
    const clocked = new Clocked()
    clocked.told = gateways
    expect(clocked.share.of(bound)).toBe(expected)
  })
})
