"""mmcv's operators as plain loops over numbers, from its documentation; slow and in float64.

Maps are nested as ``map[c][y][x]``, regions are rows ``(batch index, x1, y1, x2, y2)``.
"""

import math

import torch
from torch import autograd


def random(*shape, seed=0):
    """Normal numbers, always the same."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.double)


def gradcheck(function, inputs):
    """Whether gradients are right; on a GPU, sums in any order differ by rounding."""
    return autograd.gradcheck(function, inputs, nondet_tol=1e-8)


def iou(a, b, offset=0, foreground=False):
    """The overlap of two boxes; NaN where both have no area."""
    width = max(min(a[2], b[2]) - max(a[0], b[0]) + offset, 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]) + offset, 0)
    areas = [(box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b)]
    whole = areas[0] if foreground else sum(areas) - width * height
    return width * height / whole if whole else math.nan


def nms(boxes, scores, threshold, offset=0):
    """Indices of the kept boxes by falling score; ``scores`` without ties."""
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if not any(iou(boxes[i], boxes[k], offset) > threshold for k in kept):
            kept.append(i)
    return kept


def soft_nms(boxes, scores, threshold, sigma, min_score, method, offset=0):
    """Pairs of index and lowered score, by falling score; without ties."""
    left = dict(enumerate(scores))
    kept = []
    while left:
        best = max(left, key=left.get)
        kept.append((best, left.pop(best)))
        for i in list(left):
            overlap = iou(boxes[i], boxes[best], offset)
            if method == 'gaussian':
                left[i] *= math.exp(-(overlap**2) / sigma)
            elif overlap >= threshold:
                left[i] *= 1 - overlap if method == 'linear' else 0
            if left[i] < min_score:
                del left[i]
    return kept


def nms_match(boxes, scores, threshold):
    """Groups of indices, the kept one first; without ties."""
    left = sorted(range(len(boxes)), key=lambda i: -scores[i])
    groups = []
    while left:
        groups.append(
            [left[0]] + [i for i in left[1:] if iou(boxes[left[0]], boxes[i]) >= threshold]
        )
        left = [i for i in left if i not in groups[-1]]
    return groups


def clamped_sample(channel, y, x):
    """Bilinear; up to a pixel outside the border's value, beyond that 0 (RoIAlign)."""
    height, width = len(channel), len(channel[0])
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    return padded_sample(channel, min(max(y, 0), height - 1), min(max(x, 0), width - 1))


def padded_sample(channel, y, x):
    """Bilinear on a map that is surrounded by zeros (deformable convolution); 0 for NaN."""
    if math.isnan(y) or math.isnan(x):
        return 0.0
    low_y, low_x = math.floor(y), math.floor(x)
    total = 0.0
    for row in (low_y, low_y + 1):
        for column in (low_x, low_x + 1):
            if 0 <= row < len(channel) and 0 <= column < len(channel[0]):
                total += (1 - abs(y - row)) * (1 - abs(x - column)) * channel[row][column]
    return total


def roi_align(maps, rois, size, scale, ratio, aligned, pool=None, offset=None, gamma=0.1):
    """RoIAlign, and with ``offset`` deformable RoI pooling; ``pool`` is 'avg' or 'max'."""
    out = torch.zeros(len(rois), len(maps[0]), *size, dtype=torch.float64)
    shift = 0.5 if aligned else 0.0
    for k, (image, *box) in enumerate(rois):
        x1, y1, x2, y2 = (value * scale - shift for value in box)
        width, height = x2 - x1, y2 - y1
        if not aligned:
            width, height = max(width, 1.0), max(height, 1.0)
        cell_h, cell_w = height / size[0], width / size[1]
        grid_h = ratio if ratio > 0 else math.ceil(cell_h)
        grid_w = ratio if ratio > 0 else math.ceil(cell_w)
        for c, channel in enumerate(maps[int(image)]):
            for i in range(size[0]):
                for j in range(size[1]):
                    y0, x0 = y1 + i * cell_h, x1 + j * cell_w
                    if offset is not None:
                        x0 += gamma * width * offset[k][0][i][j]
                        y0 += gamma * height * offset[k][1][i][j]
                    samples = [
                        clamped_sample(
                            channel,
                            y0 + (v + 0.5) * cell_h / grid_h,
                            x0 + (u + 0.5) * cell_w / grid_w,
                        )
                        for v in range(grid_h)
                        for u in range(grid_w)
                    ]
                    if samples:
                        mean = sum(samples) / len(samples)
                        out[k, c, i, j] = max(samples) if pool == 'max' else mean
    return out


def roi_pool(maps, rois, size, scale):
    """The maximum of every pixel that a cell touches; 0 where there is none."""
    out = torch.zeros(len(rois), len(maps[0]), *size, dtype=torch.float64)
    for k, (image, x1, y1, x2, y2) in enumerate(rois):
        x0, y0 = x1 * scale, y1 * scale
        width, height = (x2 + 1) * scale - x0, (y2 + 1) * scale - y0
        if width <= 0 or height <= 0:
            continue
        for c, channel in enumerate(maps[int(image)]):
            for i in range(size[0]):
                for j in range(size[1]):
                    pixels = [
                        channel[y][x]
                        for y in range(len(channel))
                        for x in range(len(channel[0]))
                        if math.floor(y0 + i * height / size[0]) <= y
                        and y < math.ceil(y0 + (i + 1) * height / size[0])
                        and math.floor(x0 + j * width / size[1]) <= x
                        and x < math.ceil(x0 + (j + 1) * width / size[1])
                    ]
                    out[k, c, i, j] = max(pixels, default=0.0)
    return out


def deform_conv(input, offset, weight, mask, stride, padding, dilation, groups, deform_groups):
    """Deformable convolution; ``mask`` may be None. Pairs are height before width."""
    n, channels, height, width = input.shape
    outputs, per_group, kernel_h, kernel_w = weight.shape
    out_h = (height + 2 * padding[0] - dilation[0] * (kernel_h - 1) - 1) // stride[0] + 1
    out_w = (width + 2 * padding[1] - dilation[1] * (kernel_w - 1) - 1) // stride[1] + 1
    maps = input.double().tolist()
    flat_offset = offset.double().flatten(1).tolist()
    flat_mask = None if mask is None else mask.double().flatten(1).tolist()
    out = torch.zeros(n, outputs, out_h, out_w, dtype=torch.float64)
    for image in range(n):
        for o in range(outputs):
            for h in range(out_h):
                for w in range(out_w):
                    for c in range(per_group):
                        source = o // (outputs // groups) * per_group + c
                        tap = source // (channels // deform_groups) * kernel_h * kernel_w
                        for i in range(kernel_h):
                            for j in range(kernel_w):
                                place = (2 * (tap + i * kernel_w + j) * out_h + h) * out_w + w
                                y = h * stride[0] - padding[0] + i * dilation[0]
                                x = w * stride[1] - padding[1] + j * dilation[1]
                                sample = padded_sample(
                                    maps[image][source],
                                    y + flat_offset[image][place],
                                    x + flat_offset[image][place + out_h * out_w],
                                )
                                if flat_mask is not None:
                                    place = ((tap + i * kernel_w + j) * out_h + h) * out_w + w
                                    sample *= flat_mask[image][place]
                                out[image, o, h, w] += sample * float(weight[o, c, i, j])
    return out


def ms_deform_attn(value, shapes, locations, weights):
    """Multi-scale deformable attention."""
    n, _, heads, channels = value.shape
    queries, levels, points = locations.shape[1], len(shapes), locations.shape[4]
    out = torch.zeros(n, queries, heads, channels, dtype=torch.float64)
    for image in range(n):
        for head in range(heads):
            start = 0
            for level, (height, width) in enumerate(shapes[:levels]):
                keys = value[image, start : start + height * width, head].double()
                maps = keys.T.reshape(channels, height, width).tolist()
                start += height * width
                for query in range(queries):
                    for point in range(points):
                        x, y = locations[image, query, head, level, point].tolist()
                        share = float(weights[image, query, head, level, point])
                        for c in range(channels):
                            out[image, query, head, c] += share * padded_sample(
                                maps[c], y * height - 0.5, x * width - 0.5
                            )
    return out.flatten(2)


def carafe(features, masks, kernel, groups, scale):
    """Each output pixel: the window around its source pixel, weighed by its own mask."""
    n, channels, height, width = features.shape
    out = torch.zeros(n, channels, height * scale, width * scale, dtype=torch.float64)
    for image in range(n):
        for c in range(channels):
            first = c // (channels // groups) * kernel * kernel
            for y in range(height * scale):
                for x in range(width * scale):
                    for i in range(kernel):
                        for j in range(kernel):
                            row = y // scale + i - kernel // 2
                            column = x // scale + j - kernel // 2
                            if 0 <= row < height and 0 <= column < width:
                                share = masks[image, first + i * kernel + j, y, x]
                                out[image, c, y, x] += features[image, c, row, column] * share
    return out


def sigmoid_focal_loss(logits, targets, gamma, alpha, weights=None):
    """The loss of each row and class; a target of C is background."""
    out = torch.zeros(logits.shape, dtype=torch.float64)
    for n, target in enumerate(targets.tolist()):
        for c in range(logits.shape[1]):
            p = 1 / (1 + math.exp(-float(logits[n, c])))
            if c == target:
                loss = -alpha * (1 - p) ** gamma * math.log(p)
            else:
                loss = -(1 - alpha) * p**gamma * math.log(1 - p)
            known = weights is not None and target < len(weights)
            out[n, c] = loss * float(weights[target]) if known else loss
    return out


def softmax_focal_loss(logits, targets, gamma, alpha, weights=None):
    """The loss of each row; 0 for a target that is no class."""
    out = torch.zeros(len(logits), dtype=torch.float64)
    for n, target in enumerate(targets.tolist()):
        if 0 <= target < logits.shape[1]:
            powers = [math.exp(float(value)) for value in logits[n]]
            p = powers[target] / sum(powers)
            out[n] = -alpha * (1 - p) ** gamma * math.log(p)
            if weights is not None:
                out[n] *= float(weights[target])
    return out
