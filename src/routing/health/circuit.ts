/**
 * Passive health of one endpoint or provider model: five failures in a row open the circuit for 10 s,
 * doubling to 5 min, ±20 %; then one real request at a time tries it. `Retry-After` opens it for that long, at most 5 min.
 */
import type { CircuitState } from '../config/vocabulary.ts'

export const failuresToOpen = 5
const firstOpenMs = 10_000
export const longestOpenMs = 300_000
const jitter = 0.2

export interface Circuit {
  readonly state: CircuitState
  readonly consecutiveFailures: number
  /** Times that it opened without a success in between: the exponent of the back-off. */
  readonly openings: number
  /** When it opened last, in milliseconds since the epoch; 0: it is closed. */
  readonly openedAtMs: number
  readonly openForMs: number
  /** When it left `CLOSED`; 0 if it is closed. A failed trial opens it again and does not change this value. */
  readonly failingSinceMs: number
  /** Whether a trial is under way. */
  readonly isTrying: boolean
}

/**
 * `isTrial`: the event belongs to a trial request, which was sent while the circuit was not closed. Other requests that end meanwhile
 * began before it opened, so they say nothing about the current state.
 */
export type CircuitEvent =
  | { readonly type: 'trialStarted' }
  | { readonly type: 'trialAbandoned' }
  /** An answer has begun: it may still break off. */
  | { readonly type: 'answered'; readonly isTrial: boolean }
  /** An answer has ended completely. */
  | { readonly type: 'succeeded'; readonly isTrial: boolean }
  | { readonly type: 'failed'; readonly isTrial: boolean; readonly retryAfterMs: number | null }

export const closedCircuit: Circuit = {
  state: 'CLOSED',
  consecutiveFailures: 0,
  openings: 0,
  openedAtMs: 0,
  openForMs: 0,
  failingSinceMs: 0,
  isTrying: false,
}

/** The circuit after `event`; the same object if nothing changes. `random` is in [0, 1). */
export function observe(circuit: Circuit, event: CircuitEvent, nowMs: number, random: number): Circuit {
  switch (event.type) {
    case 'trialStarted':
      return circuit.state === 'CLOSED' ? circuit : { ...circuit, state: 'HALF_OPEN', isTrying: true }
    case 'trialAbandoned':
      return circuit.isTrying ? { ...circuit, isTrying: false } : circuit
    case 'answered':
      return event.isTrial && circuit.state !== 'CLOSED' ? onProbation(circuit) : circuit
    case 'succeeded':
      return succeed(circuit, event.isTrial)
    case 'failed':
      return fail(circuit, event.isTrial, event.retryAfterMs, nowMs, random)
  }
}

/** Whether a request may be sent: it is closed, or due for a trial and none is under way. */
export function allowsRequest(circuit: Circuit, nowMs: number): boolean {
  return circuit.state === 'CLOSED' || (!circuit.isTrying && isDue(circuit, nowMs))
}

/** When the next trial may begin, in milliseconds since the epoch; 0: it is closed. */
export function circuitRetryAtMs(circuit: Circuit): number {
  return circuit.state === 'CLOSED' ? 0 : circuit.openedAtMs + circuit.openForMs
}

/**
 * Whether a trial is due. It is also due if the clock is before the opening: a clock that was set back would otherwise keep the circuit
 * open for too long.
 */
function isDue(circuit: Circuit, nowMs: number): boolean {
  return nowMs >= circuit.openedAtMs + circuit.openForMs || nowMs < circuit.openedAtMs
}

/**
 * The circuit after the answer of a trial has begun. The answer may take minutes, so other requests are allowed; but the next failure
 * opens the circuit again for twice as long. Otherwise an upstream whose answers all break off would count as healthy whenever one
 * begins.
 */
function onProbation(circuit: Circuit): Circuit {
  const consecutiveFailures = Math.min(circuit.consecutiveFailures, failuresToOpen - 1)
  return { ...closedCircuit, consecutiveFailures, openings: circuit.openings }
}

function succeed(circuit: Circuit, isTrial: boolean): Circuit {
  if (circuit.state !== 'CLOSED' && !isTrial) return circuit
  return circuit.consecutiveFailures === 0 && circuit.state === 'CLOSED' ? circuit : closedCircuit
}

function fail(circuit: Circuit, isTrial: boolean, retryAfterMs: number | null, nowMs: number, random: number): Circuit {
  const consecutiveFailures = circuit.consecutiveFailures + 1
  const failed = { ...circuit, consecutiveFailures }
  const askedForMs = Math.min(retryAfterMs ?? 0, longestOpenMs)
  switch (circuit.state) {
    case 'CLOSED':
      if (askedForMs > 0) return open(failed, circuit.openings, askedForMs, nowMs)
      return consecutiveFailures < failuresToOpen ? failed : openLonger(failed, nowMs, random)
    case 'HALF_OPEN':
      if (isTrial) return reopen(failed, askedForMs, nowMs, random)
      return extend(failed, askedForMs, nowMs)
    case 'OPEN':
      return extend(failed, askedForMs, nowMs)
  }
}

function reopen(circuit: Circuit, askedForMs: number, nowMs: number, random: number): Circuit {
  return askedForMs > 0 ? open(circuit, circuit.openings, askedForMs, nowMs) : openLonger(circuit, nowMs, random)
}

function openLonger(circuit: Circuit, nowMs: number, random: number): Circuit {
  const openings = circuit.openings + 1
  return open(circuit, openings, backOffMs(openings, random), nowMs)
}

/**
 * Extends an open circuit by a `Retry-After`. Other failures do not extend it: a burst of failures would reach the longest back-off at
 * once.
 */
function extend(circuit: Circuit, askedForMs: number, nowMs: number): Circuit {
  if (nowMs + askedForMs <= circuitRetryAtMs(circuit)) return circuit
  return askedForMs > 0 ? { ...circuit, openedAtMs: nowMs, openForMs: askedForMs } : circuit
}

function open(circuit: Circuit, openings: number, openForMs: number, nowMs: number): Circuit {
  const failingSinceMs = circuit.failingSinceMs || nowMs
  return { ...circuit, state: 'OPEN', openings, openedAtMs: nowMs, openForMs, failingSinceMs, isTrying: false }
}

function backOffMs(openings: number, random: number): number {
  const base = Math.min(firstOpenMs * 2 ** Math.min(openings - 1, 10), longestOpenMs)
  return Math.round(base * (1 - jitter + 2 * jitter * random))
}
