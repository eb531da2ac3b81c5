/**
 * The gateway's live state: circuits, requests in flight, waiting rooms, benches, checks, rotations and retry budgets. It
 * is keyed by identity and outlives every snapshot; what is gone from the snapshot is forgotten after a while.
 */
import { backendAvailability, leastRecentlyEjected, type BackendAvailability } from '../../routing/availability.ts'
import type { BackendHealthReport } from '../../routing/backend-health.ts'
import { allowsRequest, observe as observeCircuit, type CircuitEvent } from '../../routing/circuit.ts'
import { benchesCredential, countsForCircuit, heedsRetryAfter } from '../../routing/classify.ts'
import { benchCredential, notBenched } from '../../routing/credential-bench.ts'
import type { EndpointConfiguration } from '../../routing/configuration.ts'
import type { LiveView } from '../../routing/live-view.ts'
import type { AttemptPlan, WaitPlan } from '../../routing/next-attempt.ts'
import {
  createRetryBudget,
  hasRepeat,
  recordRequest,
  takeRepeat,
  type RetryBudget,
} from '../../routing/retry-budget.ts'
import { Rotations } from '../../routing/rotation.ts'
import { selectEndpoint } from '../../routing/select-endpoint.ts'
import type { DeploymentBackend, Snapshot } from '../../routing/snapshot.ts'
import { guarded } from '../guarded.ts'
import { countCheck, passingCheck } from './check-state.ts'
import { HealthChecks, type CheckListener, type ProbeConnections } from './health-checks.ts'
import { Permit, type AttemptResult, type PermitKeeper } from './permit.ts'
import { Subject } from './subject.ts'
import { Waiter, WaitingRoom, type Wait } from './waiting-room.ts'

export interface LiveStateOptions {
  /** Live gateways that share each `maxInFlight`, this one included; at least 1. */
  readonly gatewayCount: () => number
  readonly connections: ProbeConnections
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
  /** Default: the clock, in milliseconds since the epoch. */
  readonly now?: () => number
  /** Numbers in [0, 1). Default: `Math.random`. */
  readonly random?: () => number
}

const applyAfterMs = 20
const pumpEveryMs = 100
const sweepEveryMs = 60_000
const maxErrorLength = 200

export class LiveState implements LiveView, PermitKeeper, AsyncDisposable {
  /** Of routes over their targets, and of deployments over their endpoints. */
  readonly rotations: Rotations
  readonly random: () => number
  readonly #now: () => number
  readonly #gatewayCount: () => number
  readonly #log: LiveStateOptions['log']
  readonly #subjects = new Map<string, Subject>()
  readonly #rooms = new Map<string, WaitingRoom>()
  readonly #occupiedRooms = new Set<WaitingRoom>()
  readonly #budgets = new Map<string, RetryBudget>()
  readonly #checks: HealthChecks
  readonly #goneOnce = new Set<string>()
  readonly #sweepTimer: NodeJS.Timeout
  #pumpTimer: NodeJS.Timeout | null = null
  #applyTimer: NodeJS.Timeout | null = null
  #snapshot: Snapshot | null = null
  #checkedBackends: Snapshot['backends'] | null = null
  #isPumping = false
  #inFlight = 0

  constructor(options: LiveStateOptions) {
    this.random = options.random ?? Math.random
    this.#now = options.now ?? Date.now
    this.#gatewayCount = options.gatewayCount
    this.#log = options.log
    this.rotations = new Rotations(this.random)
    this.#checks = new HealthChecks(
      options.connections,
      this.random,
      this.#guarded((check) => this.#noteCheck(check)),
    )
    this.#sweepTimer = setInterval(
      this.#guarded(() => this.sweep()),
      sweepEveryMs,
    ).unref()
  }

  // ── what selection asks ──

  isHealthy(id: string): boolean {
    const subject = this.#subjects.get(id)
    return subject === undefined || subject.isFine || subject.isHealthy(this.#now())
  }

  /** While requests wait for a deployment, its endpoints have no room for others: nobody overtakes. */
  hasCapacity(endpointId: string, maxInFlight: number | null): boolean {
    if (maxInFlight === null && this.#occupiedRooms.size === 0) return true
    const subject = this.#subjects.get(endpointId)
    if (subject === undefined) return maxInFlight === null || maxInFlight > 0
    if (subject.room !== null && subject.room.size > 0 && !this.#isPumping) return false
    return maxInFlight === null || subject.inFlight < this.#shareOf(maxInFlight)
  }

  inFlight(id: string): number {
    return this.#subjects.get(id)?.inFlight ?? 0
  }

  retryAtMs(id: string): number {
    return this.#subjects.get(id)?.retryAtMs(this.#now()) ?? 0
  }

  ejectedAtMs(id: string): number {
    return this.#subjects.get(id)?.ejectedAtMs(this.#now()) ?? 0
  }

  // ── attempts ──

  /** Attempts in flight, over all upstreams. */
  get totalInFlight(): number {
    return this.#inFlight
  }

  /** Begins the attempt of a plan, in the same tick in which it was planned: nothing is checked again. */
  open(plan: AttemptPlan): Permit {
    const subject = this.#subjectOf(plan.endpoint?.id ?? plan.backend.id, plan.backend.id)
    const isTrial = subject.circuit.state !== 'CLOSED'
    const nowMs = this.#now()
    const permit = new Permit(this, subject, plan, isTrial, nowMs)
    if (isTrial && allowsRequest(subject.circuit, nowMs)) {
      this.#turn(subject, { type: 'trialStarted' })
      subject.trial = permit
    }
    subject.inFlight++
    this.#inFlight++
    return permit
  }

  /** Waits for an endpoint of a saturated deployment, until `deadlineAtMs` (milliseconds since the epoch) at most. */
  wait(plan: WaitPlan, prefixHash: number | null, deadlineAtMs: number): Wait {
    const room = this.#roomOf(plan.backend.id)
    const { maxWaiting, maxWaitMs } = plan.backend.queue
    const waiter = new Waiter(room, plan, prefixHash)
    this.#lead(room, plan.backend)
    this.#pump(room)
    if (room.size === 0 && this.#serve(waiter)) return waiter
    if (room.size >= maxWaiting) {
      waiter.end({ kind: 'full' })
      return waiter
    }
    room.append(waiter)
    waiter.expireAfter(Math.max(0, Math.min(maxWaitMs, deadlineAtMs - this.#now())))
    this.#watchRooms(room)
    return waiter
  }

  /** Requests waiting for a deployment. */
  waiting(deploymentId: string): number {
    return this.#rooms.get(deploymentId)?.size ?? 0
  }

  observe(permit: Permit, { classification, status, retryAfterMs, error }: AttemptResult): void {
    const { subject, plan } = permit
    subject.observedAtMs = this.#now()
    if (classification === 'answer') {
      if (status !== null && status < 400) this.#observeBeginning(permit)
      return
    }
    if (!countsForCircuit(classification)) return
    subject.lastError = (error ?? (status === null ? classification : `status ${status}`)).slice(0, maxErrorLength)
    const heeded = status !== null && heedsRetryAfter(status) ? retryAfterMs : null
    if (plan.credential && benchesCredential(classification)) {
      this.#bench(plan, classification, heeded)
      if (this.#hasOtherCredential(plan)) return
    }
    const retryAfterForAllMs = heeded === null ? null : Math.min(heeded, this.#untilCredentialMs(plan))
    this.#turn(subject, { type: 'failed', isTrial: permit.isTrial, retryAfterMs: retryAfterForAllMs })
    if (subject.trial === permit) subject.trial = null
  }

  complete({ subject, isTrial }: Permit, status: number): void {
    const { state, consecutiveFailures } = subject.circuit
    if (status < 400 && state === 'CLOSED' && consecutiveFailures > 0)
      this.#turn(subject, { type: 'succeeded', isTrial })
  }

  release(permit: Permit): void {
    const { subject } = permit
    subject.inFlight--
    this.#inFlight--
    if (subject.trial === permit) {
      subject.trial = null
      this.#turn(subject, { type: 'trialAbandoned' })
    }
    if (subject.room !== null && subject.room.size > 0) this.#pump(subject.room)
  }

  // ── retry budgets ──

  /** Counts a request of a route: once. */
  recordRequest(routeId: string): void {
    recordRequest(this.#budgetOf(routeId), this.#now())
  }

  hasRepeat(routeId: string): boolean {
    return hasRepeat(this.#budgetOf(routeId), this.#now())
  }

  /** Takes one repeat of the route's budget; false if there is none left. */
  takeRepeat(routeId: string): boolean {
    return takeRepeat(this.#budgetOf(routeId), this.#now())
  }

  // ── configuration and report ──

  /** Follows a new snapshot. Cheap: what has to look through the backends comes a moment later, and once for many. */
  apply(snapshot: Snapshot): void {
    this.#snapshot = snapshot
    for (const room of this.#occupiedRooms) this.#follow(room)
    if (snapshot.backends === this.#checkedBackends || this.#applyTimer) return
    this.#applyTimer = setTimeout(
      this.#guarded(() => this.#applyBackends()),
      applyAfterMs,
    ).unref()
  }

  /** The health of all that was used or checked, by id of the endpoint, provider model or credential. */
  healthReport(): Readonly<Record<string, BackendHealthReport>> {
    const nowMs = this.#now()
    const observed = this.#subjects.values().filter((subject) => subject.observedAtMs > 0)
    return Object.fromEntries(observed.map((subject) => [subject.id, subject.report(nowMs)]))
  }

  /** The health of one of them; null if it was neither used nor checked. */
  healthOf(id: string): BackendHealthReport | null {
    const subject = this.#subjects.get(id)
    return subject && subject.observedAtMs > 0 ? subject.report(this.#now()) : null
  }

  /** Requests in flight by id of the endpoint or provider model, where there are any. */
  inFlightReport(): Readonly<Record<string, number>> {
    const busy = this.#subjects.values().filter((subject) => subject.inFlight > 0)
    return Object.fromEntries(busy.map((subject) => [subject.id, subject.inFlight]))
  }

  /** Forgets what has been gone from the snapshot since the last sweep and is idle. It runs by itself, each minute. */
  sweep(): void {
    const snapshot = this.#snapshot
    if (!snapshot) return
    for (const subject of this.#subjects.values()) {
      if (subject.inFlight > 0 || isConfigured(snapshot, subject)) this.#goneOnce.delete(subject.id)
      else if (!this.#goneOnce.delete(subject.id)) this.#goneOnce.add(subject.id)
      else this.#subjects.delete(subject.id)
    }
    for (const [id, room] of this.#rooms) {
      if (room.size === 0 && !snapshot.backends.get(id)) this.#rooms.delete(id)
    }
    for (const id of this.#budgets.keys()) {
      if (!snapshot.routesById.get(id)) this.#budgets.delete(id)
    }
    this.rotations.retain((id) => (snapshot.routesById.get(id) ?? snapshot.backends.get(id)) !== undefined)
  }

  /** Ids that something is kept for. */
  get size(): number {
    return this.#subjects.size + this.#rooms.size + this.#budgets.size + this.rotations.size
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#sweepTimer)
    if (this.#applyTimer) clearTimeout(this.#applyTimer)
    if (this.#pumpTimer) clearInterval(this.#pumpTimer)
    for (const room of this.#rooms.values()) {
      for (let first = room.first; first; first = room.first) first.leave()
    }
    await this.#checks[Symbol.asyncDispose]()
  }

  #subjectOf(id: string, ownerId: string): Subject {
    let subject = this.#subjects.get(id)
    if (!subject) {
      subject = new Subject(id, ownerId)
      this.#subjects.set(id, subject)
    }
    return subject
  }

  /** Rounded down, so that the gateways together stay within the bound; where it is smaller than their number, 1. */
  #shareOf(maxInFlight: number): number {
    return Math.max(1, Math.floor(maxInFlight / this.#gatewayCount()))
  }

  #turn(subject: Subject, event: CircuitEvent): void {
    const before = subject.circuit
    const after = observeCircuit(before, event, this.#now(), this.random())
    if (after === before) return
    subject.circuit = after
    if (after.state === before.state) return
    if (after.state === 'OPEN') {
      this.#log.warn({ id: subject.id, error: subject.lastError, openForMs: after.openForMs }, 'circuit opened')
    } else if (after.state === 'CLOSED') this.#log.info({ id: subject.id }, 'circuit closed')
    if (subject.room) this.#pump(subject.room)
  }

  #observeBeginning(permit: Permit): void {
    const { subject, plan } = permit
    if (subject.circuit.state !== 'CLOSED') {
      this.#turn(subject, { type: 'answered', isTrial: permit.isTrial })
      if (subject.trial === permit) subject.trial = null
    }
    if (!plan.credential || plan.backend.kind !== 'providerModel') return
    const credential = this.#subjectOf(plan.credential.id, plan.backend.provider.id)
    // What began before upstream spoke against the credential says nothing about now.
    if (permit.openedAtMs > credential.bench.benchedAtMs) credential.bench = notBenched
    credential.observedAtMs = this.#now()
  }

  #bench(plan: AttemptPlan, classification: AttemptResult['classification'], retryAfterMs: number | null): void {
    if (plan.backend.kind !== 'providerModel' || !plan.credential) return
    const subject = this.#subjectOf(plan.credential.id, plan.backend.provider.id)
    subject.observedAtMs = this.#now()
    subject.lastError = classification
    subject.bench = benchCredential(subject.bench, classification, retryAfterMs, this.#now())
    this.#log.warn({ id: subject.id, classification }, 'credential benched')
  }

  /** Then the others carry on, and the backend itself is not to blame. */
  #hasOtherCredential({ backend, credential }: AttemptPlan): boolean {
    if (backend.kind !== 'providerModel') return false
    return backend.provider.credentials.some(({ id }) => id !== credential?.id && this.isHealthy(id))
  }

  /** Until the first of the provider's credentials may be used again. */
  #untilCredentialMs({ backend }: AttemptPlan): number {
    if (backend.kind !== 'providerModel') return Infinity
    return Math.min(...backend.provider.credentials.map(({ id }) => this.retryAtMs(id))) - this.#now()
  }

  #budgetOf(routeId: string): RetryBudget {
    let budget = this.#budgets.get(routeId)
    if (!budget) {
      budget = createRetryBudget()
      this.#budgets.set(routeId, budget)
    }
    return budget
  }

  #roomOf(deploymentId: string): WaitingRoom {
    let room = this.#rooms.get(deploymentId)
    if (!room) {
      room = new WaitingRoom()
      this.#rooms.set(deploymentId, room)
    }
    return room
  }

  /** Who comes to an endpoint of the deployment stands behind those who wait. */
  #lead(room: WaitingRoom, backend: DeploymentBackend): void {
    for (const endpoint of backend.endpoints) this.#subjectOf(endpoint.id, backend.id).room = room
  }

  /** What a change of the deployment brings is for those who wait, before others come. */
  #follow(room: WaitingRoom): void {
    const backend = room.first && this.#currentOf(room.first.plan.backend)
    if (backend) this.#lead(room, backend)
    this.#pump(room)
  }

  /** Serves those who wait, in order, as far as there is room. Where there will be none they look for something else. */
  #pump(room: WaitingRoom): void {
    if (this.#isPumping) return
    for (let first = room.first; first && this.#serve(first); first = room.first);
  }

  /** Whether the wait is over. */
  #serve(waiter: Waiter): boolean {
    // Nothing was sent yet: what counts is the deployment as it is now, and not as it was when the wait began.
    const backend = this.#currentOf(waiter.plan.backend)
    this.#isPumping = true
    const availability = backendAvailability(backend, this)
    const isWaitedFor =
      availability === 'AVAILABLE' ||
      availability === 'SATURATED' ||
      (availability === 'UNHEALTHY' && waiter.plan.isLastResort)
    const endpoint = isWaitedFor ? this.#roomyEndpoint(waiter, backend!, availability) : null
    if (endpoint) this.#grant(waiter, backend!, endpoint)
    this.#isPumping = false
    if (isWaitedFor) return endpoint !== null
    waiter.end({ kind: 'unavailable' })
    return true
  }

  #currentOf(backend: DeploymentBackend): DeploymentBackend | undefined {
    if (!this.#snapshot) return backend
    const current = this.#snapshot.backends.get(backend.id)
    return current?.kind === 'deployment' ? current : undefined
  }

  #roomyEndpoint(
    waiter: Waiter,
    backend: DeploymentBackend,
    availability: BackendAvailability,
  ): EndpointConfiguration | null {
    if (availability === 'UNHEALTHY') return leastRecentlyEjected(backend, this)
    const { rotations, random } = this
    return selectEndpoint(backend, { live: this, rotations, random, prefixHash: waiter.prefixHash })
  }

  #grant(waiter: Waiter, backend: DeploymentBackend, endpoint: EndpointConfiguration): void {
    const { target, isFallback } = waiter.plan
    const plan: AttemptPlan = {
      kind: 'attempt',
      target,
      backend,
      endpoint,
      credential: null,
      isFallback,
      isRepeat: false,
      divergence: null,
    }
    waiter.end({ kind: 'granted', plan, permit: this.open(plan) })
  }

  /** Room also comes by time alone: a circuit that is due, a gateway less to share with. */
  #watchRooms(room: WaitingRoom): void {
    if (room.size === 0) return
    this.#occupiedRooms.add(room)
    this.#pumpTimer ??= setInterval(
      this.#guarded(() => this.#pumpAll()),
      pumpEveryMs,
    ).unref()
  }

  #pumpAll(): void {
    for (const room of this.#occupiedRooms) {
      // One room that fails keeps no other waiting.
      this.#guarded(() => this.#pump(room))()
      if (room.size === 0) this.#occupiedRooms.delete(room)
    }
    if (this.#occupiedRooms.size > 0 || !this.#pumpTimer) return
    clearInterval(this.#pumpTimer)
    this.#pumpTimer = null
  }

  /** For timers and listeners: what they throw would end the process. */
  #guarded<Args extends readonly unknown[]>(step: (...args: Args) => void): (...args: Args) => void {
    return guarded(step, (error) => this.#log.warn({ err: error }, 'keeping the state of upstreams failed'))
  }

  #applyBackends(): void {
    this.#applyTimer = null
    if (!this.#snapshot) return
    this.#checkedBackends = this.#snapshot.backends
    for (const id of this.#checks.apply(this.#snapshot)) {
      const subject = this.#subjects.get(id)
      if (subject) subject.check = passingCheck
    }
  }

  #noteCheck({ endpointId, deploymentId, healthCheck, error, nextInMs }: Parameters<CheckListener>[0]): void {
    const subject = this.#subjectOf(endpointId, deploymentId)
    const before = subject.check
    const nowMs = this.#now()
    subject.observedAtMs = nowMs
    if (error !== null) subject.lastError = `health check: ${error}`.slice(0, maxErrorLength)
    subject.check = { ...countCheck(before, error === null, healthCheck, nowMs), nextAtMs: nowMs + nextInMs }
    if (subject.check.isPassing === before.isPassing) return
    if (subject.check.isPassing) this.#log.info({ id: endpointId }, 'endpoint is healthy again')
    else this.#log.warn({ id: endpointId, error }, 'endpoint is unhealthy')
    if (subject.room) this.#pump(subject.room)
  }
}

function isConfigured(snapshot: Snapshot, { id, ownerId }: Subject): boolean {
  const backend = snapshot.backends.get(ownerId)
  if (backend)
    return backend.id === id || (backend.kind === 'deployment' && backend.endpoints.some((it) => it.id === id))
  return snapshot.providers.get(ownerId)?.credentials.some((credential) => credential.id === id) ?? false
}
