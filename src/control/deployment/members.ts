import type { ModelCategory } from '../../routing/config/vocabulary.ts'
import { collectMembers } from '../kit/collect-faults.ts'
import { refuseInput } from '../kit/refusal.ts'
import { requireSecret } from '../kit/secret.ts'

export interface DeploymentQueueInput {
  readonly maxWaiting: number
  readonly maxWaitMs: number
}

export function requireCategories(categories: readonly ModelCategory[]): readonly ModelCategory[] {
  if (categories.length === 0)
    throw refuseInput('INVALID', ['input', 'categories'], 'A model has at least one category.')
  return categories
}

export function resolveSecret(secret: string | null): string | null {
  return secret === null ? null : requireSecret(secret, ['input', 'secret'])
}

export function requireQueue(queue: DeploymentQueueInput): DeploymentQueueInput {
  const check = (name: keyof DeploymentQueueInput, most: number) => {
    const value = queue[name]
    if (!Number.isInteger(value) || value < 0 || value > most)
      throw refuseInput('INVALID', ['input', 'queue', name], `${name} is a whole number from 0 to ${most}.`)
    return value
  }
  return collectMembers<DeploymentQueueInput>({
    maxWaiting: () => check('maxWaiting', 100_000),
    maxWaitMs: () => check('maxWaitMs', 600_000),
  })
}
