import type { Answer } from '../../control/kit/context.ts'
import { createUser } from '../../control/user/create.ts'
import { removeUser } from '../../control/user/delete.ts'
import { updateUser } from '../../control/user/update.ts'
import { administers } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { DeletePayload, MutationPayloadRef, runCommand } from '../kit/payload.ts'
import { UserRef } from './ref.ts'
import { UserCreateInput, UserDeleteInput, UserUpdateInput } from './input.ts'

const UserPayload = builder.objectRef<Answer<string>>('UserPayload').implement({
  description: 'The answer to a change of a user.',
  interfaces: [MutationPayloadRef],
  fields: (t) => ({
    user: t.field({
      type: UserRef,
      nullable: true,
      description: 'The user after the change; null if nothing was committed.',
      resolve: (answer, _args, { loaders }) => (answer.ok ? loaders.user.load(answer.value) : null),
    }),
  }),
})

builder.mutationFields((t) => ({
  userCreate: t.field({
    type: UserPayload,
    nullable: true,
    description: 'Creates a user.',
    authScopes: administers,
    args: { input: t.arg({ type: UserCreateInput, required: true, description: 'The user.' }) },
    resolve: (_root, { input }, context) => runCommand(context, createUser, input),
  }),
  userUpdate: t.field({
    type: UserPayload,
    nullable: true,
    description: 'Changes a user.',
    authScopes: administers,
    args: { input: t.arg({ type: UserUpdateInput, required: true, description: 'What to change.' }) },
    resolve: (_root, { input }, context) => runCommand(context, updateUser, input),
  }),
  userDelete: t.field({
    type: DeletePayload,
    nullable: true,
    description: 'Deletes a user and its keys.',
    authScopes: administers,
    args: { input: t.arg({ type: UserDeleteInput, required: true, description: 'The user to delete.' }) },
    resolve: (_root, { input }, context) => runCommand(context, removeUser, input),
  }),
}))
