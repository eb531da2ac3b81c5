-- Why a change was made, in the words of the actor. The revisions of a route have it too, but end with their route.
ALTER TABLE audit_entry ADD COLUMN reason text;
