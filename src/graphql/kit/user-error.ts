import type { InputRefusal, InUseConflict, Refusal, RevisionConflict } from '../../control/kit/refusal.ts'
import { builder } from '../schema/builder.ts'
import { UserErrorCode } from './enums.ts'
import { fault } from './fault.ts'
import { loadNode, loadNodes } from '../schema/node.ts'
import { NodeRef } from '../schema/refs.ts'

const typeNames = {
  input: 'InputError',
  operation: 'OperationError',
  revisionConflict: 'RevisionConflictError',
  inUse: 'InUseError',
} as const satisfies Record<Refusal['kind'], string>

export const UserErrorRef = builder.interfaceRef<Refusal>('UserError').implement({
  description: `A failure that the caller can act on. It is data: the mutation answered, changed nothing, and says why. Faults of the
request (unknown field, no credential, too costly) and of the server stand in the response's top-level \`errors\`.`,
  fields: (t) => ({
    message: t.exposeString('message', { description: 'For a human. Never parse it.' }),
    code: t.expose('code', { type: UserErrorCode, description: 'For a program.' }),
    path: t.stringList({
      nullable: true,
      description:
        'Where in the arguments the fault lies, e.g. `["input", "targets", "0", "weight"]`; null if nowhere in particular.',
      resolve: ({ path }) => path,
    }),
  }),
  resolveType: ({ kind }) => typeNames[kind],
})

builder.objectRef<InputRefusal>('InputError').implement({
  description: 'A fault in the arguments.',
  interfaces: [UserErrorRef],
})

builder.objectRef<InputRefusal>('OperationError').implement({
  description: 'Any other failure; `code` says which.',
  interfaces: [UserErrorRef],
})

builder.objectRef<RevisionConflict>('RevisionConflictError').implement({
  description: 'Someone changed the object since the caller read it. Nothing was written.',
  interfaces: [UserErrorRef],
  fields: (t) => ({
    expectedRevision: t.exposeInt('expectedRevision', { description: 'The revision that the caller expected.' }),
    actualRevision: t.exposeInt('actualRevision', { description: 'The current revision.' }),
    current: t.field({
      type: NodeRef,
      description: 'The object as it is now, to merge and try again without another query.',
      resolve: async ({ currentId }, _args, context) => {
        const current = await loadNode(context, currentId)
        if (!current) throw fault('NOT_FOUND', 'The object was deleted meanwhile.')
        return current
      },
    }),
  }),
})

builder.objectRef<InUseConflict>('InUseError').implement({
  description: 'The object cannot be deleted or removed because others use it.',
  interfaces: [UserErrorRef],
  fields: (t) => ({
    usedBy: t.field({
      type: [NodeRef],
      description: 'The objects that use it, at most 20.',
      resolve: ({ usedByIds }, _args, context) => loadNodes(context, usedByIds),
    }),
  }),
})
