/** Finer steps than a percent are seldom wanted, and coarser ones would not do for 1:1. */
const leastSum = 100

/** The same proportions with a sum of at least 100, so that a slider has steps; unchanged if it is that large already. */
export function withSteps(weights: readonly number[]): readonly number[] {
  const sum = sumOf(weights)
  if (sum >= leastSum) return weights
  if (sum === 0) return weights.map((_, index) => (index === 0 ? leastSum : 0))
  const factor = Math.ceil(leastSum / sum)
  return weights.map((weight) => weight * factor)
}

/**
 * The weights with the one at `index` set to `value`, between 0 and the sum: the others share the rest in their proportions, or equally if
 * they were all 0. The sum stays; all weights are whole.
 */
export function moveWeight(weights: readonly number[], index: number, value: number): readonly number[] {
  const sum = sumOf(weights)
  if (weights.length < 2) return weights
  const own = Math.min(Math.max(Math.round(value), 0), sum)
  const others = weights.map((weight, other) => (other === index ? 0 : weight))
  const proportions = sumOf(others) > 0 ? others : weights.map((_, other) => (other === index ? 0 : 1))
  const shared = apportion(proportions, sum - own)
  return shared.map((weight, other) => (other === index ? own : weight))
}

/** `total` in whole parts by the proportions, by the largest remainders. */
function apportion(proportions: readonly number[], total: number): readonly number[] {
  const sum = sumOf(proportions)
  const exact = proportions.map((part) => (part / sum) * total)
  const parts = exact.map(Math.floor)
  const byRemainder = exact
    .map((part, index) => [part - Math.floor(part), index] as const)
    .toSorted(([a], [b]) => b - a)
  let left = total - sumOf(parts)
  for (const [, index] of byRemainder) {
    if (left <= 0) break
    if (proportions[index] === 0) continue
    parts[index]! += 1
    left -= 1
  }
  return parts
}

export function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0)
}
