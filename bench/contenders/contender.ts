import type { Address } from '../load/connection.ts'
import type { Behaviour } from '../upstream/behaviour.ts'

export const contenderNames = ['direct', 'nginx', 'portkey', 'signalbox', 'signalbox-undici'] as const
export type ContenderName = (typeof contenderNames)[number]

/** Something between the load and the model servers. */
export interface Contender {
  readonly name: ContenderName
  /** Where requests for a model server of this behaviour go. */
  readonly address: (behaviour: Behaviour) => Address
  /** The processes that pass requests on; empty for `direct`. */
  readonly pids: () => readonly number[]
  readonly close: () => Promise<void>
}

/** Why a contender is not part of this run. */
export interface Absence {
  readonly name: ContenderName
  readonly reason: string
}

/** `open` starts a fresh one each time. */
export interface ContenderStart {
  readonly name: ContenderName
  readonly open: (ports: Readonly<Record<Behaviour, number>>) => Promise<Contender>
}

export const chatPath = '/v1/chat/completions'
