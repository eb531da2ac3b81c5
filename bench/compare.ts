import type { Contender, ContenderName } from './contenders/contender.ts'
import { median } from './statistics.ts'

export type Figures<Name extends string> = Readonly<Record<Name, number>>

export interface Comparison<Name extends string> {
  /** The median of the rounds; undefined if the contender is not there. */
  readonly value: (contender: ContenderName, figure: Name) => number | undefined
  /** The median of the rounds' ratios of one contender to another; undefined unless both are there. */
  readonly ratio: (figure: Name, of: ContenderName, to: ContenderName) => number | undefined
  readonly values: (figure: Name) => Partial<Record<ContenderName, number>>
  /** Whose requests failed, and how many; undefined if none did. */
  readonly failureNote: string | undefined
}

interface Measured<Name extends string> {
  readonly figures: Figures<Name>
  readonly failures: number
}

/**
 * Measures the contenders in turn, several rounds: on a shared machine a neighbour's work then hits all of them, and the
 * ratio within a round says more than any absolute figure.
 */
export async function compare<Name extends string>(
  contenders: readonly Contender[],
  rounds: number,
  measure: (contender: Contender) => Promise<Measured<Name>>,
): Promise<Comparison<Name>> {
  const results = new Map<ContenderName, Figures<Name>[]>()
  const failures = new Map<ContenderName, number>()
  for (let round = 0; round < rounds; round++)
    for (const contender of contenders) {
      const measured = await measure(contender)
      results.set(contender.name, [...(results.get(contender.name) ?? []), measured.figures])
      failures.set(contender.name, (failures.get(contender.name) ?? 0) + measured.failures)
    }

  const value = (contender: ContenderName, figure: Name) => {
    const figures = results.get(contender)
    return figures && median(figures.map((round) => round[figure]))
  }
  return {
    value,
    ratio: (figure, of, to) => {
      const [ours, theirs] = [results.get(of), results.get(to)]
      return ours && theirs && median(ours.map((round, i) => round[figure] / theirs[i]![figure]))
    },
    failureNote: noteOf(failures),
    values: (figure) => Object.fromEntries([...results.keys()].map((name) => [name, value(name, figure)])),
  }
}

function noteOf(failures: ReadonlyMap<ContenderName, number>): string | undefined {
  const failed = [...failures].filter(([, count]) => count > 0)
  return failed.length === 0 ? undefined : `FAILED: ${failed.map(([name, count]) => `${name} ${count}`).join(', ')}`
}
