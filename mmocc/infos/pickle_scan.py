"""Prove that a pickle is small and flat before anything is built from it.

``pickle`` believes what a file says: it takes memory for a size that the file
does not hold, hashes tuples as deep or as often as they are nested, and hands
out one list a million times. The scan follows the stack of the pickle machine
with a number in place of each object and refuses all of that.
"""

from collections.abc import Callable

# Bytes from which compiling the scan is quicker than running it as Python.
_COMPILE_FROM = 1_000_000
MAX_DEPTH = 64  # containers inside of containers
_MAX_KEY = 1000  # parts of a dictionary's key
_MAX_SHARING = 64  # elements, shared ones counted each time, per byte
_MAX_DIGITS = 40  # of an integer written as text
_MAX_INT_BYTES = 16
_ATOM, _MARK, _HOLE = 0, -1, -2
_TUPLE, _LIST, _DICT, _OBJECT = 0, 1, 2, 3

_PROBLEMS = {
    1: 'is cut off',
    2: 'is no pickle, or one with parts that no info file has (byte 0x{:02x})',
    3: 'has a damaged stack',
    4: 'refers to an object that it does not hold',
    5: f'nests more than {MAX_DEPTH} containers',
    6: 'repeats its parts so often that they would fill the memory',
    7: 'holds a list or dictionary that contains itself',
    8: 'has a tuple of more than a thousand parts as a key',
    9: 'has an integer of more than 128 bits',
}
_compiled: list[Callable] = []


def scan_pickle(data: bytes) -> tuple[int, str | None]:
    """Follow a pickle without building any object.

    Args:
        data (bytes): A pickle and what follows it.

    Returns:
        tuple[int, str | None]: Number of bytes up to its end, and None or
        what is wrong with it there.
    """
    scan, content = _follow, data
    if len(data) >= _COMPILE_FROM:
        import numba
        import numpy as np

        if not _compiled:
            _compiled.append(numba.njit(cache=True)(_follow))
        scan, content = _compiled[0], np.frombuffer(data, np.uint8)
    code, position = scan(content, len(data))
    if not code:
        return position, None
    byte = data[position] if position < len(data) else 0
    return position, _PROBLEMS[code].format(byte)


def _follow(data, size):
    """Return (0, end) or (problem, position); plain enough to be compiled."""
    stack = [_ATOM]
    stack.pop()
    memo = [_ATOM]
    memo.pop()
    # Of each container; number 0 stands for all that contain nothing.
    kind, weight, depth, closed = [_OBJECT], [1], [0], [True]
    most = _MAX_SHARING * size
    at = 0
    while at < size:
        start, op = at, data[at]
        at += 1
        # What stands behind the opcode: fixed bytes, or a size and as many.
        fixed = 0
        if op in (0x47, 0x95):  # BINFLOAT, FRAME
            fixed = 8
        elif op in (0x4B, 0x80, 0x68, 0x71):  # BININT1, PROTO, BINGET/-PUT
            fixed = 1
        elif op in (0x4A, 0x6A, 0x72):  # BININT, LONG_BINGET, LONG_BINPUT
            fixed = 4
        elif op == 0x4D:  # BININT2
            fixed = 2
        elif op in (0x8C, 0x43, 0x55, 0x8A):  # sizes of one byte
            fixed = -1
        elif op in (0x58, 0x42, 0x54, 0x8B):  # sizes of four bytes
            fixed = -4
        elif op in (0x8D, 0x8E, 0x96):  # sizes of eight bytes
            fixed = -8
        number = 0
        if fixed:
            width = abs(fixed)
            if width > size - at:
                return 1, start
            if op != 0x47:
                for place in range(width):
                    value = int(data[at + place])
                    if place == 7 and value > 127:
                        return 1, start
                    number += value << (8 * place)
            at += width
            if (fixed < 0 or op == 0x95) and number > size - at:
                return 1, start
            if fixed < 0:
                if op in (0x8A, 0x8B) and number > _MAX_INT_BYTES:
                    return 9, start
                at += number
        # Lines of text: of PUT and GET a number, of GLOBAL two names.
        lines = 0
        if op in (0x46, 0x49, 0x4C, 0x53, 0x56, 0x67, 0x70):
            lines = 1
        elif op == 0x63:
            lines = 2
        for _ in range(lines):
            begin = at
            while at < size and data[at] != 0x0A:
                if op in (0x67, 0x70):
                    digit = int(data[at]) - 0x30
                    if digit < 0 or digit > 9 or number > size:
                        return 4, start
                    number = 10 * number + digit
                at += 1
            if at >= size:
                return 1, start
            if op in (0x49, 0x4C) and at - begin > _MAX_DIGITS:
                return 9, start
            at += 1

        # Values without parts.
        if op in (
            *(0x47, 0x4B, 0x4A, 0x4D, 0x4E, 0x88, 0x89, 0x8A, 0x8B),
            *(0x8C, 0x58, 0x8D, 0x43, 0x42, 0x8E, 0x96, 0x55, 0x54),
            *(0x46, 0x49, 0x4C, 0x53, 0x56, 0x63),
        ):
            stack.append(_ATOM)
        elif op in (0x68, 0x6A, 0x67):  # GET
            if number >= len(memo) or memo[number] == _HOLE:
                return 4, start
            item = memo[number]
            closed[item] = True
            stack.append(item)
        elif op in (0x71, 0x72, 0x70, 0x94):  # PUT, MEMOIZE
            if op == 0x94:
                number = len(memo)
            if not stack or stack[-1] == _MARK:
                return 3, start
            if number > len(memo) + 1:
                return 4, start
            while len(memo) <= number:
                memo.append(_HOLE)
            memo[number] = stack[-1]
        elif op == 0x28:
            stack.append(_MARK)
        elif op in (0x5D, 0x7D, 0x29):  # empty list, dictionary, tuple
            kind.append(_LIST if op == 0x5D else _DICT)
            if op == 0x29:
                kind[-1] = _TUPLE
            weight.append(1)
            depth.append(0)
            closed.append(False)
            stack.append(len(kind) - 1)
        elif op in (0x95, 0x80):
            continue
        elif op == 0x2E:  # STOP
            if len(stack) != 1 or stack[0] == _MARK:
                return 3, start
            return 0, at
        elif op == 0x30:  # POP
            if not stack:
                return 3, start
            stack.pop()
        elif op == 0x31:  # POP_MARK
            while stack and stack[-1] != _MARK:
                stack.pop()
            if not stack:
                return 3, start
            stack.pop()
        elif op == 0x93:  # STACK_GLOBAL
            if len(stack) < 2 or stack[-1] != _ATOM or stack[-2] != _ATOM:
                return 3, start
            stack.pop()
        else:
            # How many objects from the top are parts, and of what.
            first = len(stack)
            if op in (0x74, 0x6C, 0x64, 0x65, 0x75):  # t, l, d, e, u
                while first > 0 and stack[first - 1] != _MARK:
                    first -= 1
                if first == 0:
                    return 3, start
            elif op in (0x85, 0x61, 0x62):  # TUPLE1, APPEND, BUILD
                first -= 1
            elif op in (0x86, 0x73, 0x52, 0x81):  # TUPLE2, SETITEM, REDUCE...
                first -= 2
            elif op == 0x87:  # TUPLE3
                first -= 3
            else:
                return 2, start
            if first < 0:
                return 3, start
            marked = op in (0x74, 0x6C, 0x64, 0x65, 0x75)
            end = first - 1 if marked else first
            if op in (0x61, 0x62, 0x73, 0x65, 0x75):  # parts join an object
                if end == 0 or stack[end - 1] == _MARK:
                    return 3, start
                whole = stack[end - 1]
                if op in (0x61, 0x65):
                    fits = kind[whole] == _LIST
                elif op == 0x62:
                    fits = kind[whole] == _OBJECT and whole != _ATOM
                else:
                    fits = kind[whole] in (_DICT, _OBJECT) and whole != _ATOM
                if not fits:
                    return 3, start
                if closed[whole] and first < len(stack):
                    return 7, start
            else:  # parts make a new object
                if op == 0x6C:
                    kind.append(_LIST)
                elif op == 0x64:
                    kind.append(_DICT)
                elif op in (0x52, 0x81):  # NEWOBJ: no class of ours is built
                    kind.append(_OBJECT)
                else:
                    kind.append(_TUPLE)
                weight.append(1)
                depth.append(0)
                closed.append(False)
                whole = len(kind) - 1
            pairs = op in (0x64, 0x73, 0x75)
            if pairs and (len(stack) - first) % 2:
                return 3, start
            for place in range(first, len(stack)):
                part = stack[place]
                if part == _MARK:
                    return 3, start
                if part == whole:
                    return 7, start
                if (
                    pairs
                    and (place - first) % 2 == 0
                    and weight[part] > _MAX_KEY
                ):
                    return 8, start
                weight[whole] += weight[part]
                depth[whole] = max(depth[whole], depth[part] + 1)
                closed[part] = True
                if weight[whole] > most:
                    return 6, start
                if depth[whole] > MAX_DEPTH:
                    return 5, start
            while len(stack) > end:
                stack.pop()
            if op not in (0x61, 0x62, 0x73, 0x65, 0x75):
                stack.append(whole)
    return 1, size
