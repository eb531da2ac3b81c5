import type { Actor } from '../../control/kit/context.ts'
import type { UserRow } from '../../storage/user/read.ts'
import { builder } from '../schema/builder.ts'

export const UserRef = builder.objectRef<UserRow>('User')

export const ViewerRef = builder.objectRef<Actor>('Viewer')
