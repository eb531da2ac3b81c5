import { allowsRequest, observe as observeCircuit, type CircuitEvent } from '../../routing/health/circuit.ts'
import { benchesCredential, countsForCircuit, heedsRetryAfter } from '../../routing/health/classify-outcome.ts'
import { benchCredential, notBenched } from '../../routing/health/credential-bench.ts'
import type { AttemptPlan } from '../../routing/choose/next-attempt.ts'
import { Permit, type AttemptResult, type PermitKeeper } from './permit.ts'
import type { Subject } from './subject.ts'
import type { Subjects } from './subjects.ts'

export interface AttemptsOptions {
  readonly subjects: Subjects
  readonly now: () => number
  /** Numbers in [0, 1). */
  readonly random: () => number
  /** Room has come, or went, where this is. */
  readonly onChange: (subject: Subject) => void
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
}

const maxErrorLength = 200

/**
 * The attempts in flight, and what they say about where they went. What began before a circuit opened, or a bench began, says
 * nothing about what came afterwards: that is told by the numbers of the attempts, since clocks can be set.
 */
export class AttemptsInFlight implements PermitKeeper {
  readonly #options: AttemptsOptions
  #inFlight = 0
  #last = 0

  constructor(options: AttemptsOptions) {
    this.#options = options
  }

  /** In flight, over all upstreams. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** The number of the attempt that was begun last. */
  get last(): number {
    return this.#last
  }

  /** Begins the attempt of a plan, in the same tick in which it was planned: nothing is checked again. */
  open(plan: AttemptPlan): Permit {
    const subject = this.#options.subjects.of(plan.endpoint?.id ?? plan.backend.id, plan.backend.id)
    subject.address ??= addressOf(plan)
    const permit = new Permit(this, subject, plan, ++this.#last)
    if (subject.circuit.state !== 'CLOSED' && allowsRequest(subject.circuit, this.#options.now())) {
      this.#turn(subject, { type: 'trialStarted' })
      subject.trial = permit.number
    }
    subject.inFlight++
    this.#inFlight++
    return permit
  }

  hear(permit: Permit): void {
    const { subject, number } = permit
    if (isAtAddress(permit)) subject.hear(number, this.#last)
  }

  observe(permit: Permit, result: AttemptResult): void {
    const { subject } = permit
    const { classification, status } = result
    if (!isAtAddress(permit)) return
    subject.observedAtMs = this.#options.now()
    if (status !== null) this.hear(permit)
    if (classification !== 'answer') this.#fail(permit, result)
    else if (status !== null && status < 400) this.#begin(permit)
  }

  complete(permit: Permit, status: number): void {
    const { subject } = permit
    this.hear(permit)
    if (!isAtAddress(permit)) return
    if (status >= 400 || subject.circuit.consecutiveFailures === 0 || !isSinceOpening(permit)) return
    if (subject.circuit.state === 'CLOSED') this.#turn(subject, { type: 'succeeded', isTrial: true })
  }

  release({ subject, number }: Permit): void {
    subject.inFlight--
    this.#inFlight--
    if (subject.trial === number) {
      subject.trial = 0
      this.#turn(subject, { type: 'trialAbandoned' })
    }
    this.#options.onChange(subject)
  }

  /** An answer has begun. */
  #begin(permit: Permit): void {
    const { subject, plan, number } = permit
    if (subject.circuit.state !== 'CLOSED' && isSinceOpening(permit)) {
      this.#turn(subject, { type: 'answered', isTrial: true })
      if (subject.trial === number) subject.trial = 0
    }
    if (!plan.credential || plan.backend.kind !== 'providerModel') return
    const credential = this.#options.subjects.of(plan.credential.id, plan.backend.provider.id)
    if (number > credential.benchedAfter) credential.bench = notBenched
    credential.observedAtMs = subject.observedAtMs
  }

  #fail(permit: Permit, { classification, status, retryAfterMs, error }: AttemptResult): void {
    const { subject, plan } = permit
    if (!countsForCircuit(classification)) return
    // Who answers others is slow, and not dead.
    if (classification === 'TIMEOUT' && subject.hasHeardOthersSince(permit.number)) return
    subject.lastError = (error ?? (status === null ? classification : `status ${status}`)).slice(0, maxErrorLength)
    const heededMs = status !== null && heedsRetryAfter(status) ? retryAfterMs : null
    if (plan.credential && benchesCredential(classification)) {
      this.#bench(permit, classification, heededMs)
      if (this.#hasOtherCredential(plan)) return
    }
    this.#count(permit, heededMs === null ? null : Math.min(heededMs, this.#untilCredentialMs(plan)))
  }

  /** A failure of what began before the circuit opened is no new one; but what it asks for is of now. */
  #count(permit: Permit, retryAfterMs: number | null): void {
    const { subject } = permit
    const isSince = isSinceOpening(permit)
    if (!isSince && retryAfterMs === null) return
    const isTrial = isSince && subject.circuit.state !== 'CLOSED'
    this.#turn(subject, { type: 'failed', isTrial, retryAfterMs })
    if (subject.trial === permit.number) subject.trial = 0
  }

  #bench({ plan, number }: Permit, classification: AttemptResult['classification'], retryAfterMs: number | null): void {
    if (plan.backend.kind !== 'providerModel' || !plan.credential) return
    const nowMs = this.#options.now()
    const subject = this.#options.subjects.of(plan.credential.id, plan.backend.provider.id)
    subject.observedAtMs = nowMs
    subject.lastError = classification
    const before = subject.bench
    const beganBefore = number <= subject.benchedAfter
    subject.bench = benchCredential(before, { classification, retryAfterMs, beganBefore }, nowMs)
    if (subject.bench === before) return
    subject.benchedAfter = this.#last
    this.#options.log.warn({ id: subject.id, classification }, 'credential benched')
  }

  /** Then the others carry on, and the backend itself is not to blame. */
  #hasOtherCredential({ backend, credential }: AttemptPlan): boolean {
    if (backend.kind !== 'providerModel') return false
    return backend.provider.credentials.some(({ id }) => id !== credential?.id && this.#isHealthy(id))
  }

  #isHealthy(id: string): boolean {
    return this.#options.subjects.find(id)?.isHealthy(this.#options.now()) ?? true
  }

  /** Until the first of the provider's credentials may be used again. */
  #untilCredentialMs({ backend }: AttemptPlan): number {
    if (backend.kind !== 'providerModel') return Infinity
    const { subjects, now } = this.#options
    const nowMs = now()
    return Math.min(...backend.provider.credentials.map(({ id }) => subjects.find(id)?.retryAtMs(nowMs) ?? 0)) - nowMs
  }

  #turn(subject: Subject, event: CircuitEvent): void {
    const { log, now, random, onChange } = this.#options
    const before = subject.circuit
    const after = observeCircuit(before, event, now(), random())
    if (after === before) return
    subject.circuit = after
    if (after.state === before.state) return
    if (after.state === 'OPEN') {
      subject.openedAfter = this.#last
      log.warn({ id: subject.id, error: subject.lastError, openForMs: after.openForMs }, 'circuit opened')
    } else if (after.state === 'CLOSED') log.info({ id: subject.id }, 'circuit closed')
    onChange(subject)
  }
}

function addressOf({ backend, endpoint }: AttemptPlan): string | null {
  return endpoint?.url ?? (backend.kind === 'providerModel' ? backend.provider.baseUrl : null)
}

/** A request keeps the configuration with which it began, so it may have used an earlier address of the endpoint. */
function isAtAddress({ subject, plan }: Permit): boolean {
  return subject.address === addressOf(plan)
}

function isSinceOpening({ subject, number }: Permit): boolean {
  return number > subject.openedAfter
}
