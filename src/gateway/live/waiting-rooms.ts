import {
  backendAvailability,
  leastRecentlyEjected,
  type BackendAvailability,
} from '../../routing/choose/availability.ts'
import type { EndpointConfiguration } from '../../routing/config/configuration.ts'
import type { LiveView } from '../../routing/choose/live-view.ts'
import type { AttemptPlan, WaitPlan } from '../../routing/choose/next-attempt.ts'
import type { Rotations } from '../../routing/choose/rotation.ts'
import { selectEndpoint } from '../../routing/choose/select-endpoint.ts'
import type { DeploymentBackend, Snapshot } from '../../routing/config/snapshot.ts'
import { guarded } from '../loop/guarded.ts'
import type { Permit } from './permit.ts'
import type { Subjects } from './subjects.ts'
import { Waiter, WaitingRoom, type Wait } from './waiting-room.ts'

export interface WaitingRoomsOptions {
  readonly subjects: Subjects
  readonly view: LiveView
  readonly rotations: Rotations
  readonly now: () => number
  /** Numbers in [0, 1). */
  readonly random: () => number
  readonly open: (plan: AttemptPlan) => Permit
  readonly log: { warn(fields: object, message: string): void }
}

const pumpEveryMs = 100

/** The queues of all deployments: waiting requests are served before new ones. */
export class WaitingRooms implements Disposable {
  readonly #options: WaitingRoomsOptions
  readonly #rooms = new Map<string, WaitingRoom>()
  readonly #occupied = new Set<WaitingRoom>()
  #snapshot: Snapshot | null = null
  #isServing = false
  #timer: NodeJS.Timeout | null = null

  constructor(options: WaitingRoomsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#rooms.size
  }

  /** Whether anybody waits anywhere. */
  get isAnyOccupied(): boolean {
    return this.#occupied.size > 0
  }

  /** Whether a place is being searched for a waiting request, for which room then counts. */
  get isServing(): boolean {
    return this.#isServing
  }

  /** Requests waiting for a deployment. */
  waiting(deploymentId: string): number {
    return this.#rooms.get(deploymentId)?.size ?? 0
  }

  /** Waits for an endpoint of a saturated deployment, until `deadlineAtMs` (milliseconds since the epoch) at most. */
  wait(plan: WaitPlan, prefixHash: number | null, deadlineAtMs: number): Wait {
    const room = this.#roomOf(plan.backend.id)
    const { maxWaiting, maxWaitMs } = plan.backend.queue
    const waiter = new Waiter(room, plan, prefixHash)
    this.#lead(room, plan.backend)
    this.#pump(room)
    if (room.size === 0 && this.#serve(waiter)) return waiter
    if (this.#isVain(waiter)) {
      this.#sendAway(waiter)
      return waiter
    }
    if (room.size >= maxWaiting) {
      waiter.end({ kind: 'full' })
      return waiter
    }
    room.append(waiter)
    waiter.expireAfter(Math.max(0, Math.min(maxWaitMs, deadlineAtMs - this.#options.now())))
    this.#watch(room)
    return waiter
  }

  /** Called when an endpoint of the deployment may have room, or when the deployment is gone. */
  pump(deploymentId: string): void {
    const room = this.#rooms.get(deploymentId)
    if (room && room.size > 0) this.#pump(room)
  }

  /** Room from a change of the deployment goes to waiting requests before new ones. */
  follow(snapshot: Snapshot): void {
    this.#snapshot = snapshot
    for (const room of this.#occupied) {
      const backend = room.first && this.#currentOf(room.first.plan.backend)
      if (backend) this.#lead(room, backend)
      this.#sendVainAway(room)
      this.#pump(room)
    }
  }

  sweep(snapshot: Snapshot): void {
    for (const [id, room] of this.#rooms) {
      if (room.size === 0 && !snapshot.backends.get(id)) this.#rooms.delete(id)
    }
  }

  [Symbol.dispose](): void {
    if (this.#timer) clearInterval(this.#timer)
    for (const room of this.#rooms.values()) {
      for (let first = room.first; first; first = room.first) first.leave()
    }
  }

  #roomOf(deploymentId: string): WaitingRoom {
    let room = this.#rooms.get(deploymentId)
    if (!room) {
      room = new WaitingRoom()
      this.#rooms.set(deploymentId, room)
    }
    return room
  }

  /** A new request for an endpoint of the deployment queues after the waiting ones. */
  #lead(room: WaitingRoom, backend: DeploymentBackend): void {
    for (const { id } of backend.endpoints) this.#options.subjects.of(id, backend.id).queue = room
  }

  /** Serves waiting requests in order, as far as there is room. If there can be none, they choose another backend. */
  #pump(room: WaitingRoom): void {
    if (this.#isServing) return
    for (let first = room.first; first && this.#serve(first); first = room.first);
    if (room.first?.plan.isLastResort) this.#sendVainAway(room)
  }

  /** Requests after one that waits for an ejected endpoint may not be allowed to use that endpoint. */
  #sendVainAway(room: WaitingRoom): void {
    for (let waiter = room.first; waiter;) {
      const { next } = waiter
      if (this.#isVain(waiter)) this.#sendAway(waiter)
      waiter = next
    }
  }

  /** Whether the wait is over. */
  #serve(waiter: Waiter): boolean {
    this.#isServing = true
    let served: 'granted' | 'waits' | 'inVain'
    try {
      served = this.#tryServe(waiter)
    } finally {
      // If a throw left it set, requests in all queues would wait without end.
      this.#isServing = false
    }
    if (served === 'inVain') this.#sendAway(waiter)
    return served !== 'waits'
  }

  #tryServe(waiter: Waiter): 'granted' | 'waits' | 'inVain' {
    const backend = this.#currentOf(waiter.plan.backend)
    const availability = this.#availabilityFor(waiter)
    if (!this.#isWaitedFor(waiter, availability)) return 'inVain'
    const endpoint = this.#roomyEndpoint(waiter, backend!, availability)
    if (!endpoint) return 'waits'
    this.#grant(waiter, backend!, endpoint)
    return 'granted'
  }

  #sendAway(waiter: Waiter): void {
    waiter.end({ kind: 'unavailable', isEjected: this.#availabilityFor(waiter) === 'UNHEALTHY' })
  }

  /** Whether nothing that it may go to can have room. */
  #isVain(waiter: Waiter): boolean {
    return !this.#isWaitedFor(waiter, this.#availabilityFor(waiter))
  }

  /** Nothing was sent yet: what counts is the deployment as it is now, and not as it was when the wait began. */
  #availabilityFor({ plan }: Waiter): BackendAvailability {
    return backendAvailability(this.#currentOf(plan.backend), this.#options.view, null)
  }

  #isWaitedFor({ plan }: Waiter, availability: BackendAvailability): boolean {
    if (!this.#hasWeight(plan)) return false
    if (availability === 'AVAILABLE' || availability === 'SATURATED') return true
    return availability === 'UNHEALTHY' && plan.isLastResort
  }

  /** A route may have been switched meanwhile: what has no weight any more is never sent to. */
  #hasWeight({ routeId, target }: WaitPlan): boolean {
    const route = target && this.#snapshot?.routesById.get(routeId)
    return !route || route.targets.some(({ id, weight }) => id === target.id && weight > 0)
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
    const { view, rotations, random } = this.#options
    if (availability === 'UNHEALTHY') return leastRecentlyEjected(backend, view)
    return selectEndpoint(backend, { live: view, rotations, random, prefixHash: waiter.prefixHash })
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
    waiter.end({ kind: 'granted', plan, permit: this.#options.open(plan) })
  }

  /** Room also comes by time alone: a circuit that is due, a gateway less to share with. */
  #watch(room: WaitingRoom): void {
    if (room.size === 0) return
    this.#occupied.add(room)
    this.#timer ??= setInterval(() => this.#pumpAll(), pumpEveryMs).unref()
  }

  #pumpAll(): void {
    for (const room of this.#occupied) {
      // What a timer throws would end the process, and one room that fails keeps no other waiting.
      guarded(
        () => this.#pump(room),
        (error) => this.#options.log.warn({ err: error }, 'a waiting room failed'),
      )()
      if (room.size === 0) this.#occupied.delete(room)
    }
    if (this.#occupied.size > 0 || !this.#timer) return
    clearInterval(this.#timer)
    this.#timer = null
  }
}
