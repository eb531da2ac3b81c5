import type { ProviderDraft } from '../../storage/provider/write.ts'
import { auditChanges } from '../change/audit.ts'
import type { Change } from '../change/commit.ts'

const secretFields = ['secrets', 'headerValues']

export function record(change: Change, before: ProviderDraft | null, after: ProviderDraft | null): void {
  const { id } = (after ?? before)!
  change.audit(id, auditChanges(before && auditedMembers(before), after && auditedMembers(after), secretFields))
  change.touch(id)
}

function auditedMembers(draft: ProviderDraft): object {
  const { name, description, kind, baseUrl, state, proxyUrl, requestRules, caCertificates } = draft
  return {
    name,
    description,
    kind,
    baseUrl,
    state,
    proxyUrl,
    requestRules,
    caCertificates,
    secrets: draft.credentials.map((credential) => credential.secret),
    headerNames: draft.headers.map((header) => header.name),
    headerValues: draft.headers.map((header) => header.value),
    models: draft.models.map(({ id: _id, ...model }) => model),
  }
}
