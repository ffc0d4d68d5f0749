// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {PermitToken, PlainToken} from "./HostileTokens.sol";
import {TokenTest} from "./TokenTest.sol";

/// @notice Jobs that are funded with a token's own permission (EIP-2612) in place of an approval.
contract PermitsTest is TokenTest {
    uint256 private constant KEY = 0xb0b1;
    PermitToken private _token;
    address private _holder;

    function setUp() public override {
        super.setUp();
        _token = new PermitToken();
        _holder = vm.addr(KEY);
        _token.mint(_holder, MINTED);
        _pricedIn(address(_token));
    }

    function test_aSignatureTakesThePlaceOfAnApproval() public {
        bytes32 job = _createWith(_request1(), _permit(KEY, TOKEN_PRICE));
        _eq(_state(job), JobState.Funded);
        _eq(_token.balanceOf(address(escrow)), TOKEN_PRICE, "taken");
        _eq(_token.allowance(_holder, address(escrow)), 0, "and no more");
    }

    /// Whoever sees the call in the mempool can spend its permission; the job must be funded all the same.
    function test_aPermissionThatWasUsedBeforeHindersNothing() public {
        IJobEscrow.Permit memory permit = _permit(KEY, TOKEN_PRICE);
        vm.prank(STRANGER);
        _token.permit(_holder, address(escrow), permit.value, permit.deadlineSec, permit.v, permit.r, permit.s);
        bytes32 job = _createWith(_request1(), permit);
        _eq(_state(job), JobState.Funded);
        _eq(_token.balanceOf(address(escrow)), TOKEN_PRICE, "taken once");
    }

    function test_withoutPermissionNothingIsTaken() public {
        IJobEscrow.JobRequest memory request = _request1();
        IJobEscrow.Permit memory forged = _permit(0xdead, TOKEN_PRICE);
        _refusedWith(request, forged, _overdrawn());
        IJobEscrow.Permit memory moved = _permit(KEY, TOKEN_PRICE);
        moved.deadlineSec += 1;
        _refusedWith(request, moved, _overdrawn());
        IJobEscrow.Permit memory changed = _permit(KEY, TOKEN_PRICE);
        changed.value += 1;
        _refusedWith(request, changed, _overdrawn());
        _eq(_token.balanceOf(_holder), MINTED, "nothing moved");
    }

    function test_anAllowanceIsEnoughWhereThePermissionFails() public {
        vm.prank(_holder);
        _token.approve(address(escrow), TOKEN_PRICE);
        _createWith(_request1(), _permit(0xdead, TOKEN_PRICE));
        // Also with a token that knows no permissions.
        PlainToken plain = new PlainToken();
        plain.mint(_holder, TOKEN_PRICE);
        vm.prank(_holder);
        plain.approve(address(escrow), TOKEN_PRICE);
        _createWith(_pricedIn(address(plain)), _permit(KEY, TOKEN_PRICE));
        _eq(plain.balanceOf(address(escrow)), TOKEN_PRICE, "taken");
    }

    /// The fees are no part of the request: an operator that raises its own just before must not be paid it.
    function test_aJobCostsAtMostWhatThePermissionIsFor() public {
        IJobEscrow.JobRequest memory request = _request1();
        vm.prank(_holder);
        _token.approve(address(escrow), type(uint256).max);
        vm.prank(members[1]);
        operators.acceptToken(address(_token), TOKEN_FEE + 1);
        _refusedWith(
            request,
            _permit(0xdead, TOKEN_PRICE),
            abi.encodeWithSelector(IJobEscrow.AmountTooLarge.selector, TOKEN_PRICE + 1)
        );
        // A permission that is good is all that the token gives.
        _refusedWith(request, _permit(KEY, TOKEN_PRICE), _overdrawn());
        _createWith(request, _permit(KEY, TOKEN_PRICE + 1));
    }

    function test_aWidePermissionIsNotUsedUp() public {
        _createWith(_request1(), _permit(KEY, type(uint256).max));
        _eq(_token.balanceOf(address(escrow)), TOKEN_PRICE, "the price");
    }

    /// ETH cannot come with the call, and there is nothing at the zero address to permit anything.
    function test_aJobInEthHasNoPermission() public {
        IJobEscrow.JobRequest memory request = _request(_publish(1));
        vm.prank(_holder);
        try escrow.createJobWithPermit(request, _permit(KEY, TOKEN_PRICE)) {
            _true(false, "funded without ETH");
        } catch (bytes memory reason) {
            _eq(reason.length, 0, "reason");
        }
    }

    // ---- steps of this file ------------------------------------------------------------------------

    function _request1() private returns (IJobEscrow.JobRequest memory request) {
        request = _over(_offeredIn(address(_token)));
        request.token = address(_token);
    }

    function _permit(uint256 key, uint256 value) private view returns (IJobEscrow.Permit memory) {
        uint256 nonce = _token.nonces(_holder);
        bytes32 digest = _token.permitDigest(_holder, address(escrow), value, nonce, START + 10);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return IJobEscrow.Permit(value, START + 10, v, r, s);
    }

    function _createWith(IJobEscrow.JobRequest memory request, IJobEscrow.Permit memory permit)
        private
        returns (bytes32)
    {
        vm.prank(_holder);
        return escrow.createJobWithPermit(request, permit);
    }

    function _refusedWith(
        IJobEscrow.JobRequest memory request,
        IJobEscrow.Permit memory permit,
        bytes memory reason
    ) private {
        vm.expectRevert(reason);
        vm.prank(_holder);
        escrow.createJobWithPermit(request, permit);
    }
}
