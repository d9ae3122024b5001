/** Node type (spec client-master 3.2) to the type bits of a mode; 0 is not used. */
export const typeBits = [0, 0o100000, 0o040000, 0o120000, 0o010000, 0o060000, 0o020000, 0o140000]
