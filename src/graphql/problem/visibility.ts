import { maySeeKeysOf } from '../../control/api-key/authority.ts'
import { typeOfId } from '../../routing/config/object-id.ts'
import type { OperationalProblem } from '../../routing/problems/operational-problem.ts'
import type { GraphQLContext } from '../kit/context.ts'

/** The problems that the caller may see: a problem of an API key only if `apiKeys` would show it the key. */
export function visibleProblems(
  { actor, control }: Pick<GraphQLContext, 'actor' | 'control'>,
  problems: readonly OperationalProblem[],
): readonly OperationalProblem[] {
  const { apiKeysById } = control.snapshots.current()
  return problems.filter(({ subjectId }) => {
    if (subjectId === null || typeOfId(subjectId) !== 'ApiKey') return true
    const key = apiKeysById.get(subjectId)
    return key !== undefined && maySeeKeysOf(actor, key.ownerId)
  })
}
