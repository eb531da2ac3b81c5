/**
 * The gateway's live state, as one thing to ask and to tell: each of its parts is a file of this folder. It is keyed by identity
 * and outlives every snapshot; what is gone from the snapshot is forgotten after a while.
 */
import type { BackendHealthReport } from '../../routing/health/backend-health.ts'
import type { BackendLimit, LiveView } from '../../routing/choose/live-view.ts'
import type { AttemptPlan, WaitPlan } from '../../routing/choose/next-attempt.ts'
import { Rotations } from '../../routing/choose/rotation.ts'
import type { Backend, Snapshot } from '../../routing/config/snapshot.ts'
import { guarded } from '../loop/guarded.ts'
import { AttemptsInFlight } from './attempts-in-flight.ts'
import { countCheck, passingCheck } from './check-state.ts'
import { GatewayShare } from './gateway-share.ts'
import { LearnedOperations } from './learned-operations.ts'
import { HealthChecks, type CheckListener, type ProbeConnections } from './health-checks.ts'
import type { Permit } from './permit.ts'
import { RetryBudgets } from './retry-budgets.ts'
import { Sessions } from './sessions.ts'
import { Subjects } from './subjects.ts'
import type { Wait } from './waiting-room.ts'
import { WaitingRooms } from './waiting-rooms.ts'

export interface LiveStateOptions {
  /** Live gateways that share each `maxInFlight`, this one included; at least 1. */
  readonly gatewayCount: () => number
  /** Requests in flight at an endpoint or provider model in the other gateways. Default: none. */
  readonly inFlightElsewhere?: ((id: string) => number) | undefined
  readonly connections: ProbeConnections
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
  /** Default: the clock, in milliseconds since the epoch. */
  readonly now?: () => number
  /** Numbers in [0, 1). Default: `Math.random`. */
  readonly random?: () => number
}

const applyAfterMs = 20
const sweepEveryMs = 60_000
const maxErrorLength = 200

export class LiveState implements LiveView, AsyncDisposable {
  /** Of routes over their targets, and of deployments over their endpoints. */
  readonly rotations: Rotations
  readonly random: () => number
  readonly sessions = new Sessions()
  /** The source of the limits of backends; null if there is none. */
  limits: { limitOf(backend: Backend): BackendLimit | null } | null = null
  readonly #now: () => number
  readonly #inFlightElsewhere: (id: string) => number
  readonly #learned = new LearnedOperations()
  readonly #log: LiveStateOptions['log']
  readonly #share: GatewayShare
  readonly #subjects = new Subjects()
  readonly #attempts: AttemptsInFlight
  readonly #rooms: WaitingRooms
  readonly #budgets: RetryBudgets
  readonly #checks: HealthChecks
  readonly #sweepTimer: NodeJS.Timeout
  #applyTimer: NodeJS.Timeout | null = null
  #snapshot: Snapshot | null = null
  #checkedBackends: Snapshot['backends'] | null = null

  constructor(options: LiveStateOptions) {
    const { log } = options
    const now = options.now ?? Date.now
    const random = options.random ?? Math.random
    const subjects = this.#subjects
    this.random = random
    this.rotations = new Rotations(random)
    this.#now = now
    this.#inFlightElsewhere = options.inFlightElsewhere ?? (() => 0)
    this.#log = log
    this.#share = new GatewayShare(options.gatewayCount)
    this.#budgets = new RetryBudgets(now)
    this.#attempts = new AttemptsInFlight({
      subjects,
      now,
      random,
      log,
      onChange: ({ ownerId }) => this.#rooms.pump(ownerId),
    })
    const open = (plan: AttemptPlan) => this.#attempts.open(plan)
    this.#rooms = new WaitingRooms({ subjects, view: this, rotations: this.rotations, now, random, open, log })
    const noteCheck = this.#guarded<[Parameters<CheckListener>[0]]>((check) => this.#noteCheck(check))
    this.#checks = new HealthChecks(options.connections, random, noteCheck)
    const sweep = this.#guarded(() => this.sweep())
    this.#sweepTimer = setInterval(sweep, sweepEveryMs).unref()
  }

  // ── what selection asks ──

  isHealthy(id: string): boolean {
    const subject = this.#subjects.find(id)
    return subject === undefined || subject.isFine || subject.isHealthy(this.#now())
  }

  /** While requests wait for a deployment, its endpoints count as full for new requests, so that none overtakes. */
  hasCapacity(endpointId: string, maxInFlight: number | null): boolean {
    if (maxInFlight === null && !this.#rooms.isAnyOccupied) return true
    const subject = this.#subjects.find(endpointId)
    if (subject === undefined) return maxInFlight === null || maxInFlight > 0
    if (subject.queue !== null && subject.queue.size > 0 && !this.#rooms.isServing) return false
    return maxInFlight === null || subject.inFlight < this.#share.of(maxInFlight)
  }

  inFlight(id: string): number {
    return this.#subjects.find(id)?.inFlight ?? 0
  }

  inFlightEverywhere(id: string): number {
    return this.inFlight(id) + this.#inFlightElsewhere(id)
  }

  isOperationRefused(backendId: string, operation: string): boolean {
    return this.#learned.isRefused(backendId, operation)
  }

  /** Requests waiting for a deployment. */
  waiting(deploymentId: string): number {
    return this.#rooms.waiting(deploymentId)
  }

  retryAtMs(id: string): number {
    return this.#subjects.find(id)?.retryAtMs(this.#now()) ?? 0
  }

  ejectedAtMs(id: string): number {
    return this.#subjects.find(id)?.ejectedAtMs(this.#now()) ?? 0
  }

  /** As far as it is the same for all requests. */
  limitOf(backend: Backend): BackendLimit | null {
    return this.limits === null ? null : this.limits.limitOf(backend)
  }

  // ── attempts ──

  /** Attempts in flight, over all upstreams. */
  get totalInFlight(): number {
    return this.#attempts.inFlight
  }

  /** Begins the attempt of a plan, in the same tick in which it was planned: nothing is checked again. */
  open(plan: AttemptPlan): Permit {
    return this.#attempts.open(plan)
  }

  /** Waits for an endpoint of a saturated deployment, until `deadlineAtMs` (milliseconds since the epoch) at most. */
  wait(plan: WaitPlan, prefixHash: number | null, deadlineAtMs: number): Wait {
    return this.#rooms.wait(plan, prefixHash, deadlineAtMs)
  }

  /** It answered that it does not have the path of the operation. */
  learnOperationRefused(backend: Backend, operation: string): void {
    // A request goes on with the configuration that it began with, and what was changed meanwhile may be the address.
    if (this.#snapshot && this.#snapshot.backends.get(backend.id) !== backend) return
    this.#learned.learn(backend, operation)
  }

  // ── retry budgets ──

  /** Counts a request of a route: once. */
  recordRequest(routeId: string): void {
    this.#budgets.record(routeId)
  }

  hasRepeat(routeId: string): boolean {
    return this.#budgets.has(routeId)
  }

  /** Takes one repeat of the route's budget; false if there is none left. */
  takeRepeat(routeId: string): boolean {
    return this.#budgets.take(routeId)
  }

  // ── configuration and report ──

  /** Follows a new snapshot. Cheap: what has to look through the backends comes a moment later, and once for many. */
  apply(snapshot: Snapshot): void {
    const before = this.#snapshot
    this.#snapshot = snapshot
    if (snapshot.backends !== before?.backends) {
      this.#subjects.followAddresses(snapshot, before, this.#attempts.last)
      this.#learned.follow(snapshot)
    }
    this.#rooms.follow(snapshot)
    if (snapshot.backends === this.#checkedBackends || this.#applyTimer) return
    const applyBackends = this.#guarded(() => this.#applyBackends())
    this.#applyTimer = setTimeout(applyBackends, applyAfterMs).unref()
  }

  /** The health of all that was used or checked, by id of the endpoint, provider model or credential. */
  healthReport(): Readonly<Record<string, BackendHealthReport>> {
    return this.#subjects.healthReport(this.#now())
  }

  /** The health of one of them; null if it was neither used nor checked. */
  healthOf(id: string): BackendHealthReport | null {
    return this.#subjects.healthOf(id, this.#now())
  }

  /** Requests in flight by id of the endpoint or provider model, where there are any. */
  inFlightReport(): Readonly<Record<string, number>> {
    return this.#subjects.inFlightReport()
  }

  /** Forgets what has been gone from the snapshot since the last sweep and is idle. It runs by itself, each minute. */
  sweep(): void {
    const snapshot = this.#snapshot
    if (!snapshot) return
    this.#subjects.sweep(snapshot)
    this.#rooms.sweep(snapshot)
    this.#budgets.retain((id) => snapshot.routesById.get(id) !== undefined)
    this.#learned.sweep()
    this.rotations.retain((id) => (snapshot.routesById.get(id) ?? snapshot.backends.get(id)) !== undefined)
  }

  /** Ids that something is kept for. */
  get size(): number {
    return this.#subjects.size + this.#rooms.size + this.#budgets.size + this.#learned.size + this.rotations.size
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#sweepTimer)
    if (this.#applyTimer) clearTimeout(this.#applyTimer)
    this.#rooms[Symbol.dispose]()
    await this.#checks[Symbol.asyncDispose]()
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
      const subject = this.#subjects.find(id)
      if (subject) subject.check = passingCheck
    }
  }

  #noteCheck(check: Parameters<CheckListener>[0]): void {
    const { endpointId, deploymentId, healthCheck, error, nextInMs } = check
    const subject = this.#subjects.of(endpointId, deploymentId)
    if ((subject.address ??= check.endpointUrl) !== check.endpointUrl) return
    const before = subject.check
    const nowMs = this.#now()
    subject.observedAtMs = nowMs
    if (error !== null) subject.lastError = `health check: ${error}`.slice(0, maxErrorLength)
    subject.check = { ...countCheck(before, error === null, healthCheck, nowMs), nextAtMs: nowMs + nextInMs }
    if (subject.check.isPassing === before.isPassing) return
    if (subject.check.isPassing) this.#log.info({ id: endpointId }, 'endpoint is healthy again')
    else this.#log.warn({ id: endpointId, error }, 'endpoint is unhealthy')
    this.#rooms.pump(deploymentId)
  }
}
