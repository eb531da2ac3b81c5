import type { ContenderName } from './contenders/contender.ts'

/** One line of the table. */
export interface Row {
  readonly what: string
  readonly unit: string
  readonly values: Partial<Readonly<Record<ContenderName, number>>>
  /** The figure that the goal is about, e.g. a ratio. */
  readonly result?: number | undefined
  /** What `result` is, e.g. `× nginx`. */
  readonly resultUnit?: string
  readonly goal?: Goal
  readonly note?: string
}

export interface Goal {
  readonly atMost?: number
  readonly atLeast?: number
}

/** Whether the row reaches its goal; undefined without a goal or a result. */
export function isMet({ result, goal }: Row): boolean | undefined {
  if (result === undefined || !goal) return undefined
  return result <= (goal.atMost ?? Infinity) && result >= (goal.atLeast ?? -Infinity)
}
