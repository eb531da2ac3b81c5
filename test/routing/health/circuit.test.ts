import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  allowsRequest,
  circuitRetryAtMs,
  closedCircuit,
  failuresToOpen,
  observe,
  type Circuit,
  type CircuitEvent,
} from '../../../src/routing/health/circuit.ts'

const failed: CircuitEvent = { type: 'failed', isTrial: false, retryAfterMs: null }
const trialFailed: CircuitEvent = { type: 'failed', isTrial: true, retryAfterMs: null }
const succeeded: CircuitEvent = { type: 'succeeded', isTrial: false }
const trialSucceeded: CircuitEvent = { type: 'succeeded', isTrial: true }
const noJitter = 0.5

function after(events: readonly CircuitEvent[], nowMs = 1_000, from: Circuit = closedCircuit): Circuit {
  return events.reduce((circuit, event) => observe(circuit, event, nowMs, noJitter), from)
}

const opened = after([failed, failed, failed, failed, failed])

describe('a closed circuit', () => {
  test('opens with the fifth failure in a row, for 10 s', () => {
    expect(after([failed, failed, failed, failed]).state).toBe('CLOSED')
    expect(opened.state).toBe('OPEN')
    expect(circuitRetryAtMs(opened)).toBe(11_000)
  })

  test('begins to count anew with each success', () => {
    expect(after([failed, failed, failed, failed, succeeded, failed, failed, failed, failed]).state).toBe('CLOSED')
  })

  test('stays the same object while all is well', () => {
    expect(observe(closedCircuit, succeeded, 1, 0)).toBe(closedCircuit)
  })

  test.each([
    [7_000, 7_000],
    [3_600_000, 300_000],
  ])('opens at once for a Retry-After of %i ms: for %i ms', (retryAfterMs, openForMs) => {
    const circuit = after([{ type: 'failed', isTrial: false, retryAfterMs }])
    expect(circuit.state).toBe('OPEN')
    expect(circuitRetryAtMs(circuit) - 1_000).toBe(openForMs)
  })

  test('does not open for a Retry-After of 0', () => {
    expect(after([{ type: 'failed', isTrial: false, retryAfterMs: 0 }]).state).toBe('CLOSED')
  })
})

describe('an open circuit', () => {
  test('lets nothing through before it is due, and then exactly one at a time', () => {
    expect(allowsRequest(opened, 10_999)).toBe(false)
    expect(allowsRequest(opened, 11_000)).toBe(true)
    const trying = observe(opened, { type: 'trialStarted' }, 11_000, 0)
    expect(trying.state).toBe('HALF_OPEN')
    expect(allowsRequest(trying, 99_000)).toBe(false)
  })

  test('is given free by a trial that its client left', () => {
    const trying = after([{ type: 'trialStarted' }, { type: 'trialAbandoned' }], 11_000, opened)
    expect(trying.state).toBe('HALF_OPEN')
    expect(allowsRequest(trying, 11_000)).toBe(true)
  })

  test('closes with a trial that succeeds, and only with a trial', () => {
    const trying = observe(opened, { type: 'trialStarted' }, 11_000, 0)
    expect(observe(trying, succeeded, 11_001, 0)).toBe(trying)
    expect(observe(trying, trialSucceeded, 11_001, 0)).toBe(closedCircuit)
  })

  test('doubles with each failed trial up to 5 min', () => {
    let circuit = opened
    const openForMs = [circuit.openForMs]
    for (let i = 0; i < 6; i++) {
      const nowMs = circuitRetryAtMs(circuit)
      circuit = observe(circuit, { type: 'trialStarted' }, nowMs, noJitter)
      circuit = observe(circuit, trialFailed, nowMs, noJitter)
      openForMs.push(circuit.openForMs)
    }
    expect(openForMs).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000])
  })

  test('lets others through when a trial is answered; the next failure opens it for longer, a whole answer closes it for good', () => {
    const answered = after([{ type: 'trialStarted' }, { type: 'answered', isTrial: true }], 11_000, opened)
    expect(answered.state).toBe('CLOSED')
    expect(after([failed], 11_000, answered)).toMatchObject({ state: 'OPEN', openForMs: 20_000 })
    expect(after([succeeded], 11_000, answered)).toBe(closedCircuit)
  })

  test('is not closed by an answer that began before it opened', () => {
    expect(after([{ type: 'answered', isTrial: false }], 11_000, opened)).toBe(opened)
  })

  test('begins at 10 s again after a success', () => {
    const again = after([trialSucceeded, failed, failed, failed, failed, failed], 20_000, opened)
    expect(again.openForMs).toBe(10_000)
  })

  test('is not lengthened by failures of requests that began before it opened', () => {
    expect(circuitRetryAtMs(after([failed, failed, failed], 5_000, opened))).toBe(11_000)
  })

  test('is lengthened by a Retry-After that reaches further', () => {
    const longer = after([{ type: 'failed', isTrial: false, retryAfterMs: 60_000 }], 5_000, opened)
    expect(circuitRetryAtMs(longer)).toBe(65_000)
    expect(circuitRetryAtMs(after([{ type: 'failed', isTrial: false, retryAfterMs: 1_000 }], 5_000, opened))).toBe(
      11_000,
    )
  })

  test('is due when the clock was put back to before it opened', () => {
    const late = after([failed, failed, failed, failed, failed], 86_400_000)
    expect(allowsRequest(late, 1_000)).toBe(true)
  })
})

const events = fc.array(
  fc.record({
    event: fc.oneof(
      fc.constant<CircuitEvent>({ type: 'trialStarted' }),
      fc.constant<CircuitEvent>({ type: 'trialAbandoned' }),
      fc.record({ type: fc.constantFrom('answered' as const, 'succeeded' as const), isTrial: fc.boolean() }),
      fc.record({
        type: fc.constant('failed' as const),
        isTrial: fc.boolean(),
        retryAfterMs: fc.option(fc.integer({ min: 0, max: 10_000_000 })),
      }),
    ),
    nowMs: fc.integer({ min: 1, max: 10_000_000_000 }),
    random: fc.double({ min: 0, max: 0.999, noNaN: true }),
  }),
  { maxLength: 60 },
)

describe('whatever happens, at whatever clock', () => {
  test('no circuit stays open for more than 6 min, and a trial that is over leaves it free', () => {
    fc.assert(
      fc.property(events, (steps) => {
        let circuit = closedCircuit
        for (const { event, nowMs, random } of steps) {
          circuit = observe(circuit, event, nowMs, random)
          expect(circuit.openForMs).toBeLessThanOrEqual(360_000)
          const free = observe(circuit, { type: 'trialAbandoned' }, nowMs, random)
          const dueAtMs = Math.max(nowMs, circuitRetryAtMs(free))
          expect(allowsRequest(free, dueAtMs)).toBe(true)
        }
      }),
    )
  })

  test('a circuit opens only with five failures in a row or a Retry-After', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 80 }), (successes) => {
        let circuit = closedCircuit
        let inARow = 0
        for (const isSuccess of successes) {
          if (circuit.state !== 'CLOSED') break
          circuit = observe(circuit, isSuccess ? succeeded : failed, 1, noJitter)
          inARow = isSuccess ? 0 : inARow + 1
          expect(circuit.state).toBe(inARow >= failuresToOpen ? 'OPEN' : 'CLOSED')
        }
      }),
    )
  })

  test('the jitter is ±20 %', () => {
    const shortest = [failed, failed, failed, failed, failed].reduce((c, e) => observe(c, e, 0, 0), closedCircuit)
    const longest = [failed, failed, failed, failed, failed].reduce((c, e) => observe(c, e, 0, 1), closedCircuit)
    expect([shortest.openForMs, longest.openForMs]).toEqual([8_000, 12_000])
  })
})
