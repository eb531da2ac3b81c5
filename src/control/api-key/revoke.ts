import { commitChange, type EditInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { editApiKey } from './edit.ts'

export interface ApiKeyRevokeInput extends EditInput {
  readonly id: string
}

/** Revokes a key permanently; a revoked key stays as it is. The value is the key's id. */
export function revokeApiKey(control: ControlContext, actor: Actor, input: ApiKeyRevokeInput): Promise<Answer<string>> {
  return commitChange(control, { actor, action: 'apiKeyRevoke', input }, (change) =>
    editApiKey(change, input, ['input', 'id'], (before) => ({
      ...before,
      earlierSecrets: [],
      revokedAt: before.revokedAt ?? new Date(),
    })),
  )
}
