import { createId } from '../../storage/database/create-id.ts'
import type { ProviderDraft } from '../../storage/provider/write.ts'
import { collectEach } from '../kit/collect-faults.ts'
import { refuseInput } from '../kit/refusal.ts'
import { hintOf, requireSecret } from '../kit/secret.ts'

const maxSecrets = 16

/**
 * The stored form of the credentials, in order of preference. A secret that was stored before keeps its id, because its health is
 * stored under that id. Throws `INVALID` or `LIMIT_EXCEEDED` at the path of the fault.
 */
export function resolveCredentials(
  secrets: readonly string[],
  before: ProviderDraft['credentials'],
  path: readonly string[],
  placeOf = (index: number): readonly string[] => [...path, String(index)],
): ProviderDraft['credentials'] {
  if (secrets.length > maxSecrets)
    throw refuseInput('LIMIT_EXCEEDED', path, `A provider has at most ${maxSecrets} secrets.`)
  const idsBySecret = new Map(before.map((credential) => [credential.secret, credential.id]))
  return collectEach(secrets, (secret, index) => {
    const at = placeOf(index)
    requireSecret(secret, at)
    if (secrets.indexOf(secret) !== index) throw refuseInput('INVALID', at, 'The secret is listed twice.')
    return { id: idsBySecret.get(secret) ?? createId('ProviderCredential'), secret, hint: hintOf(secret) }
  })
}
