"""AMX is verified by the names of the kernels that ran: lines of oneDNN's log as hosts with tiles write them."""

from __future__ import annotations

import pytest

from harness.backends.common.onednn import count
from harness.config import isa_cap

#: What oneDNN 3.6 and later log on a Xeon Platinum 8592+ (Emerald Rapids), with layouts shortened to what is read.
_HEAD = """\
onednn_verbose,v1,info,oneDNN v3.7.1 (commit 8d263e693366ef8db40acc569cc7d8edf644556d)
onednn_verbose,v1,info,cpu,runtime:OpenMP,nthr:64
onednn_verbose,v1,info,cpu,isa:Intel AVX-512 with float16, Intel DL Boost and bfloat16 support and Intel AMX with bfloat16 and 8-bit integer support
onednn_verbose,v1,primitive,create:cache_miss,cpu,matmul,brg_matmul:avx10_1_512_amx,undef,src:bf16:a:blocked:ab::f0 wei:bf16:a:any:any::f0 dst:bf16:a:blocked:ab::f0,,,128x384:384x384,0.91
"""  # noqa: E501
_REORDER = (
    "onednn_verbose,v1,primitive,exec,cpu,reorder,jit:uni,undef,src:f32::blocked:ab::f0 dst:bf16::blocked:ab::f0,,,"
    "128x384,0.0109863\n"
)
_INT8 = (
    "onednn_verbose,v1,primitive,exec,cpu,matmul,brg_matmul:avx10_1_512_amx,undef,src:u8:a:blocked:ab::f0 "
    "wei:s8:ap:blocked:BA16a64b4a::f0 bia:f32:a:blocked:ab::f0_mask2 dst:f32:a:blocked:ab::f0,"
    "attr-scratchpad:user attr-scales:src0:0:f32+wei:2:f32 attr-zero-points:src0:0:s32,,128x384:384x1536,0.0249023\n"
)
_BF16 = (
    "onednn_verbose,v1,primitive,exec,cpu,matmul,brg_matmul:avx10_1_512_amx,undef,src:bf16:a:blocked:ab::f0 "
    "wei:bf16:a:blocked:BA16a32b2a::f0 dst:bf16:a:blocked:ab::f0,,,128x384:384x384,0.0820312\n"
)
_ROUNDED = (
    "onednn_verbose,v1,primitive,exec,cpu,inner_product,brgemm:avx10_1_512_amx,forward_inference,"
    "src:f32:a:blocked:ab::f0 wei:f32:a:blocked:AB16b32a2b::f0 bia:f32:a:blocked:a::f0 dst:f32:a:blocked:ab::f0,"
    "attr-fpmath:bf16,,mb128ic384oc384,0.101\n"
)
_FLOAT16 = (
    "onednn_verbose,v1,primitive,exec,cpu,matmul,brg_matmul:avx10_1_512,undef,src:f16:a:blocked:ab::f0 "
    "wei:f16:a:blocked:BA16a64b::f0 dst:f16:a:blocked:ab::f0,,,4x14336:14336x4096,0.208008\n"
)

#: What oneDNN 3.2 logs on a Sapphire Rapids: other names for the same kernels, other words for the types.
_OLD_INT8 = (
    "onednn_verbose,exec,cpu,inner_product,brgemm:avx512_core_amx,forward_inference,src_u8:a:blocked:ab::f0 "
    "wei_s8:a:blocked:AB16b64a4b::f0 bia_f32:a:blocked:a::f0 dst_u8:a:blocked:ab::f0,attr-scales:wei:1:f32,,"
    "mb128ic384oc384,0.018\n"
)
_OLD_BF16 = (
    "onednn_verbose,exec,cpu,matmul,brg:avx512_core_amx,undef,src_bf16:a:blocked:ab::f0 "
    "wei_bf16:a:blocked:BA16a64b2a::f0 dst_bf16:a:blocked:ab::f0,,,4096x5120:5120x15360,15.0137\n"
)
_VNNI = _INT8.replace("avx10_1_512_amx", "avx512_core_vnni")


@pytest.mark.parametrize(
    ("log", "ops", "amx", "highest"),
    [
        (3 * _INT8 + _REORDER, (3, 0, 0), {"int8": 3}, "avx10_1_512_amx"),
        (2 * _BF16, (0, 2, 0), {"bf16": 2}, "avx10_1_512_amx"),
        (3 * _INT8 + 2 * _BF16, (3, 2, 0), {"int8": 3, "bf16": 2}, "avx10_1_512_amx"),
        (_OLD_INT8 + 4 * _OLD_BF16, (1, 4, 0), {"int8": 1, "bf16": 4}, "avx512_core_amx"),
        (_ROUNDED, (0, 0, 1), {"bf16": 1}, "avx10_1_512_amx"),  # asked for in FP32, multiplied in BF16
        (_FLOAT16, (0, 0, 1), {}, "avx10_1_512"),  # AVX-512's own, on the same host
        (2 * _VNNI, (2, 0, 0), {}, "avx512_core_vnni"),
        (_VNNI + _INT8, (2, 0, 0), {"int8": 1}, "avx10_1_512_amx"),
        ("", (0, 0, 0), {}, None),
    ],
)
def test_bf16_and_int8_in_tiles_are_told_apart_by_the_log(log, ops, amx, highest):
    found = count((_HEAD + log).splitlines(), {})
    assert (found.int8_ops, found.bf16_ops, found.fp32_ops) == ops
    assert isa_cap.tiles(found.kernels) == amx
    assert isa_cap.highest(found.kernels) == highest


@pytest.mark.parametrize(
    ("kernel", "amx"),
    [
        ("FullyConnected brgemm_avx512_amx_I8", {"int8": 5}),  # OpenVINO's names
        ("FullyConnected brgemm_avx512_amx_i8", {"int8": 5}),
        ("FullyConnected brgemm_avx512_amx_bf16", {"bf16": 5}),
        ("MatMul brgemm_avx512_amx_f16", {"fp16": 5}),
        ("FullyConnected brgemm_avx512_I8", {}),
        ("inner_product brgemm:avx512_core_amx quantizes its input", {"int8": 5}),
        ("inner_product brgemm:avx512_core_amx", {"unknown": 5}),
        ("oneDNN matmul brg_matmul:avx10_1_512_amx u8xs8", {"int8": 5}),
        ("oneDNN matmul brg_matmul:avx10_1_512_amx_fp16 f16xf16", {"fp16": 5}),
        ("inner_product brgemm:avx512_core_amx bf16xs8", {"bf16": 5}),  # weights of 8 bits, unpacked
        ("MKL GEMM_BF16BF16F32 amx", {}),  # what it is enabled for
        ("FBGEMM avx512_core_vnni", {}),
        ("aten::addmm (bf16)", {}),
    ],
)
def test_each_runtimes_names_are_read(kernel, amx):
    assert isa_cap.tiles({kernel: 5}) == amx


def test_a_ceiling_below_tiles_is_not_held_by_them():
    for name in ("avx512_core_amx", "avx10_1_512_amx", "avx512_amx", "avx10_2_amx_2"):
        assert isa_cap._RANK[name] > isa_cap._RANK["avx512_core_vnni"]
    assert isa_cap._RANK["avx10_1_512"] == isa_cap._RANK["avx512_core_fp16"]
